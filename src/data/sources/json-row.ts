/** JSON that other people wrote: one object, as a row of a list has it. */
import { InputError } from '../../errors.js';
import { isObject, parseJson, short } from '../../files/read-json.js';
import { expectText } from './text.js';

/**
 * The object that a text holds.
 *
 * @param where    starts the error sentence
 * @param example  of an object that is wanted there
 * @throws InputError for anything but one object
 */
export function jsonRow(where: string, text: string, example: string): Record<string, unknown> {
  expectText(where, text);
  const value = parseJson(text, where);
  if (isObject(value)) return value;
  throw new InputError(`${where}: must be an object, e.g. ${example}`);
}

/** A value in a message. */
export const shown = (value: unknown): string => short(JSON.stringify(value) ?? String(value), 120);
