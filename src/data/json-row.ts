/** JSON that other people wrote: one object, of a size and depth that a row of a list has. */
import { InputError } from '../errors.js';
import { expectText } from './text.js';

/** A row has a few levels; engines run out of stack beyond some ten thousand. */
const MAX_DEPTH = 100;

/**
 * The object that a text holds.
 *
 * @param where    starts the error sentence
 * @param example  of an object that is wanted there
 * @throws InputError for anything but one object
 */
export function jsonRow(where: string, text: string, example: string): Record<string, unknown> {
  expectText(where, text);
  if (depthOf(text) > MAX_DEPTH) {
    throw new InputError(`${where}: must be JSON of at most ${MAX_DEPTH} levels, is nested deeper`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${where}: must be JSON (${briefly((cause as Error).message)})`, {
      cause,
    });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw new InputError(`${where}: must be an object, e.g. ${example}`);
}

/** A value in a message. */
export const shown = (value: unknown): string => briefly(JSON.stringify(value) ?? String(value));

const briefly = (text: string): string => (text.length > 120 ? `${text.slice(0, 120)}…` : text);

/** The most brackets that are open at once, outside of strings. */
function depthOf(text: string): number {
  let [depth, most] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === '"') {
      i = endOfString(text, i);
    } else if (character === '{' || character === '[') {
      most = Math.max(most, ++depth);
    } else if (character === '}' || character === ']') {
      depth--;
    }
  }
  return most;
}

function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '"') return i;
  }
  return text.length;
}
