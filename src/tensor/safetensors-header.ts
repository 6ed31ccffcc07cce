/**
 * The start of a safetensors file: an 8-byte little-endian length and a JSON header. Plain
 * TypeScript, so that worker threads can read it too.
 *
 * Source: the format's description, safetensors README
 */
import { InputError } from '../errors.js';
import { isObject, parseJson, short, structureOf } from '../files/read-json.js';
import { bytesPerElement, type DType, dtypeOfSafetensors } from './dtype.js';
import { otherKind } from './other-kinds.js';

/** A tensor as the header describes it. */
export interface SafetensorsEntry {
  dtype: DType;
  shape: number[];
  /** bytes from the start of the file to its first byte */
  offset: number;
}

export interface SafetensorsHeader {
  entries: Map<string, SafetensorsEntry>;
  /** free-form strings from `__metadata__` */
  metadata: Record<string, string>;
}

const maxHeaderBytes = 100_000_000; // the format's own limit
/** The most dimensions that LibTorch's iterators have room for. */
const MOST_DIMENSIONS = 64;

/**
 * @param bytesAt   reads `length` bytes of the file from `offset`
 * @throws InputError if the file is of another kind, is incomplete, or holds an unsupported element
 *   type
 */
export function readSafetensorsHeader(
  path: string,
  sizeBytes: number,
  bytesAt: (offset: number, length: number) => Uint8Array,
): SafetensorsHeader {
  const other = otherKind(bytesAt(0, Math.min(sizeBytes, 64)));
  if (other) throw new InputError(`${path}: is ${other}`);
  const damaged = (why: string, options?: ErrorOptions) =>
    new InputError(
      `${path}: is not a complete safetensors file (${why}); copy or download it again`,
      options,
    );
  if (sizeBytes < 8) throw damaged(`${sizeBytes} bytes`);
  const first = bytesAt(0, 8);
  const headerBytes = Number(new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes > maxHeaderBytes || headerBytes + 8 > sizeBytes) {
    throw damaged('the header extends beyond the end of the file');
  }
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytesAt(8, headerBytes));
    header = parseJson(text, 'header');
  } catch (cause) {
    throw damaged('the header is not JSON', { cause });
  }
  if (!isObject(header)) throw damaged('the header is not a JSON object');
  if (structureOf(text).keys !== Object.keys(header).length) {
    throw damaged('the header names a tensor twice');
  }
  const { __metadata__: metadata, ...tensors } = header;
  if (!isMetadata(metadata)) throw damaged('its __metadata__ does not map names to strings');
  const dataBytes = sizeBytes - 8 - headerBytes;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(tensors)) {
    const quoted = `"${short(name)}"`;
    if (!isStoredEntry(value)) throw damaged(`${quoted} has no dtype, shape and data_offsets`);
    const type = dtypeOfSafetensors(value.dtype);
    if (!type) {
      throw new InputError(
        `${path}: ${quoted} has the unsupported element type "${short(value.dtype)}"`,
      );
    }
    const [start, end] = value.data_offsets;
    if (value.shape.length > MOST_DIMENSIONS) throw damaged(`${quoted} has too many dimensions`);
    const strides = value.shape.reduce((a, b) => a * Math.max(b, 1), 1);
    const count = value.shape.reduce((a, b) => a * b, 1);
    if (!Number.isSafeInteger(strides) || end - start !== count * bytesPerElement(type)) {
      throw damaged(`${quoted} has a wrong size`);
    }
    if (end > dataBytes) throw damaged(`${quoted} extends beyond the end of the file`);
    entries.set(name, { dtype: type, shape: value.shape, offset: 8 + headerBytes + start });
  }
  const problem = placesProblem(entries, 8 + headerBytes, sizeBytes);
  if (problem) throw damaged(problem);
  return { entries, metadata: metadata ?? {} };
}

/** The first violation of the rule that every byte of the data belongs to one tensor, or null. */
function placesProblem(
  entries: ReadonlyMap<string, SafetensorsEntry>,
  start: number,
  sizeBytes: number,
): string | null {
  const bytesOf = ({ shape, dtype }: SafetensorsEntry) =>
    shape.reduce((a, b) => a * b, bytesPerElement(dtype));
  const inOrder = [...entries].sort(
    ([, a], [, b]) => a.offset - b.offset || bytesOf(a) - bytesOf(b),
  );
  let end = start;
  for (const [name, entry] of inOrder) {
    if (entry.offset < end) return `"${short(name)}" shares bytes with another tensor`;
    if (entry.offset > end) return `"${short(name)}" comes after bytes that belong to no tensor`;
    end += bytesOf(entry);
  }
  return end === sizeBytes ? null : `${sizeBytes - end} bytes at its end belong to no tensor`;
}

interface StoredEntry {
  dtype: string;
  shape: number[];
  data_offsets: [start: number, end: number];
}

const isMetadata = (value: unknown): value is Record<string, string> | null | undefined =>
  value === null ||
  value === undefined ||
  (isObject(value) && Object.values(value).every((text) => typeof text === 'string'));

const areSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function isStoredEntry(value: unknown): value is StoredEntry {
  if (!isObject(value)) return false;
  const { dtype, shape, data_offsets: offsets } = value;
  return typeof dtype === 'string' && areSizes(shape) && areSizes(offsets) && offsets.length === 2;
}
