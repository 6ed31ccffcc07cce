/** Reads rows of JSON from outside: one object each. */
import { InputError } from '../../errors.js';
import { isObject, parseJson, short } from '../../files/read-json.js';
import { expectText } from './text.js';

/**
 * Parses a text that must hold one JSON object.
 *
 * @param where    starts the error message
 * @param example  an object as it should be, for the error message
 * @throws InputError for anything but one object
 */
export function jsonRow(where: string, text: string, example: string): Record<string, unknown> {
  expectText(where, text);
  const value = parseJson(text, where);
  if (isObject(value)) return value;
  throw new InputError(`${where}: must be an object, e.g. ${example}`);
}

/** Formats a value for a message. */
export const shown = (value: unknown): string => short(JSON.stringify(value) ?? String(value), 120);
