/**
 * The head of a safetensors file: an 8-byte little-endian length and a JSON header. Plain TypeScript,
 * for worker threads too.
 *
 * Source: the format's description, safetensors README
 */
import { InputError } from '../errors.js';
import { bytesPerElement, type DType, dtypeOfSafetensors } from './dtype.js';

/** What a header says of a tensor. */
export interface SafetensorsEntry {
  dtype: DType;
  shape: number[];
  /** of its first byte, from the beginning of the file */
  offset: number;
}

export interface SafetensorsHeader {
  entries: Map<string, SafetensorsEntry>;
  /** free-form strings from `__metadata__` */
  metadata: Record<string, string>;
}

const maxHeaderBytes = 100_000_000; // the format's own limit

/**
 * @param bytesAt   reads so many bytes of the file from an offset
 * @throws InputError if the file is not whole, or holds an element type that is not read
 */
export function readSafetensorsHeader(
  path: string,
  sizeBytes: number,
  bytesAt: (offset: number, length: number) => Uint8Array,
): SafetensorsHeader {
  const damaged = (why: string) =>
    new InputError(`${path}: is not a whole safetensors file (${why}); copy or download it again`);
  if (sizeBytes < 8) throw damaged(`${sizeBytes} bytes`);
  const first = bytesAt(0, 8);
  const headerBytes = Number(new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true));
  if (headerBytes > maxHeaderBytes || headerBytes + 8 > sizeBytes) {
    throw damaged('the header reaches beyond the end');
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder().decode(bytesAt(8, headerBytes)));
  } catch (cause) {
    throw new InputError(damaged('the header is not JSON').message, { cause });
  }
  if (!isObject(header)) throw damaged('the header is no object');
  const { __metadata__: metadata = {}, ...tensors } = header;
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(tensors)) {
    if (!isStoredEntry(value)) throw damaged(`"${name}" has no dtype, shape and data_offsets`);
    const type = dtypeOfSafetensors(value.dtype);
    if (!type) {
      const { dtype } = value;
      throw new InputError(`${path}: "${name}" has an element type that is not read, "${dtype}"`);
    }
    const [start, end] = value.data_offsets;
    const count = value.shape.reduce((a, b) => a * b, 1);
    if (end - start !== count * bytesPerElement(type)) throw damaged(`"${name}" has a wrong size`);
    if (8 + headerBytes + end > sizeBytes) throw damaged(`"${name}" reaches beyond the end`);
    entries.set(name, { dtype: type, shape: value.shape, offset: 8 + headerBytes + start });
  }
  return { entries, metadata: metadata as Record<string, string> };
}

interface StoredEntry {
  dtype: string;
  shape: number[];
  data_offsets: [start: number, end: number];
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const areSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);

function isStoredEntry(value: unknown): value is StoredEntry {
  if (!isObject(value)) return false;
  const { dtype, shape, data_offsets: offsets } = value;
  return typeof dtype === 'string' && areSizes(shape) && areSizes(offsets) && offsets.length === 2;
}
