/** Reads JSON that others wrote: of a bounded size and depth, so that no file can stop the program. */
import { statSync } from 'node:fs';
import { InputError } from '../errors.js';
import { readRegularSync, unreadable } from './regular-file.js';

/** Above the largest tokenizer and the longest index that are published. */
const MOST_BYTES = 2 ** 26;
/** Objects and lists within one another; published files have some ten. */
const MOST_DEPTH = 100;

/** @throws InputError naming the file if it is missing, no file, too large or no JSON */
export function readJson(path: string): unknown {
  let bytes: Uint8Array;
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) {
      throw new InputError(`${path}: must have at most ${MOST_BYTES} bytes, has ${size}`);
    }
    bytes = readRegularSync(path);
  } catch (cause) {
    throw unreadable(short(path), cause);
  }
  return parseJson(bytes, path);
}

/** The same, where only an object will do. */
export function readJsonObject(path: string): Record<string, unknown> {
  const value = readJson(path);
  if (isObject(value)) return value;
  throw new InputError(`${path}: must be a JSON object, got ${kindOf(value)}`);
}

/**
 * @param text    bytes are read as UTF-8, with or without a mark in front
 * @param where   starts the message
 * @throws InputError if it is no JSON, or nested deeper than anything that is published
 */
export function parseJson(text: string | Uint8Array, where: string): unknown {
  try {
    const decoded =
      typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text);
    if (structureOf(decoded).depth > MOST_DEPTH) {
      throw new Error(`it is nested more than ${MOST_DEPTH} levels deep`);
    }
    return JSON.parse(decoded);
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    const isText = code !== 'ERR_ENCODING_INVALID_ENCODED_DATA';
    // a message may quote control characters from the file
    const reason = isText ? short(message.replace(/\p{Cc}/gu, ' ')) : 'it is not text in UTF-8';
    throw new InputError(`${short(where)}: must be JSON (${reason})`, { cause });
  }
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** "a list", "null", "text", …: what a JSON value is, for messages. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string'
    ? 'text'
    : `a${typeof value === 'object' ? 'n' : ''} ${typeof value}`;
}

/** What stands outside of text. */
interface Structure {
  /** how deep objects and lists are nested */
  depth: number;
  /** keys of the outermost object, as they are written: JSON.parse drops repeated ones */
  keys: number;
}

/** Reads brackets, colons and the ends of text, and nothing else; for any text. */
export function structureOf(json: string): Structure {
  const structure = { depth: 0, keys: 0 };
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    switch (json[i]) {
      case '"':
        for (i++; i < json.length && json[i] !== '"'; i++) if (json[i] === '\\') i++;
        break;
      case '{':
      case '[':
        structure.depth = Math.max(structure.depth, ++depth);
        break;
      case '}':
      case ']':
        depth--;
        break;
      case ':':
        if (depth === 1) structure.keys++;
    }
  }
  return structure;
}

/** A name that a file chose, for a message: at most so long. */
export const short = (name: string, most = 200): string =>
  name.length <= most ? name : `${name.slice(0, most)}…`;
