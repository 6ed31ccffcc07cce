/**
 * Reads untrusted JSON, limited in size and depth so that no file can hang or crash the program.
 */
import { statSync } from 'node:fs';
import { InputError } from '../errors.js';
import { readRegularSync, unreadable } from './regular-file.js';

/** More than the largest published tokenizers and indexes have. */
const MOST_BYTES = 2 ** 26;
/** Limit on nested objects and lists; published files have about ten levels. */
const MOST_DEPTH = 100;

/** Reads a file. @throws InputError if it is missing, not a file, too large or not JSON */
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

/** Reads a file whose content must be a JSON object. @throws as `readJson` */
export function readJsonObject(path: string): Record<string, unknown> {
  const value = readJson(path);
  if (isObject(value)) return value;
  throw new InputError(`${path}: must be a JSON object, got ${kindOf(value)}`);
}

/**
 * Parses JSON.
 *
 * @param text    bytes are decoded as UTF-8, with or without a byte order mark
 * @param where   start of the error message
 * @throws InputError if it is not JSON, or nested too deeply
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

/** The kind of a JSON value, for messages: "a list", "null", "text", … */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'string'
    ? 'text'
    : `a${typeof value === 'object' ? 'n' : ''} ${typeof value}`;
}

/** The structure of JSON outside strings. */
interface Structure {
  /** how deep objects and lists are nested */
  depth: number;
  /** number of keys of the outermost object, repeated ones included, which JSON.parse drops */
  keys: number;
}

/** Scans only brackets, colons and string boundaries; accepts any text, valid JSON or not. */
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

/** Truncates a name from an untrusted file, for a message. */
export const short = (name: string, most = 200): string =>
  name.length <= most ? name : `${name.slice(0, most)}…`;
