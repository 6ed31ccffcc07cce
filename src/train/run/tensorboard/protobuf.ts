/**
 * Encodes protocol buffer messages: a message is its fields, one after the other.
 * Source: https://protobuf.dev/programming-guides/encoding
 */

/** Encodes a field: a 64- or 32-bit float, a whole number of at least 0, a text, or other bytes. */
type Encoder<T> = (field: number, value: T) => Buffer;

export const message = (...fields: Buffer[]): Buffer => Buffer.concat(fields);

export const doubleField: Encoder<number> = (field, value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return message(key(field, 1), bytes);
};

export const floatField: Encoder<number> = (field, value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return message(key(field, 5), bytes);
};

/** A zero is left out, as other writers do: readers take a missing number as 0. */
export const integerField: Encoder<number> = (field, value) =>
  value === 0 ? Buffer.alloc(0) : message(key(field, 0), varint(value));

/** Bytes, or a message within a message. */
export const bytesField: Encoder<Uint8Array> = (field, value) =>
  message(key(field, 2), varint(value.length), Buffer.from(value));

export const textField: Encoder<string> = (field, value) =>
  bytesField(field, Buffer.from(value, 'utf8'));

/** A field's number and its wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
const key = (field: number, layout: 0 | 1 | 2 | 5): Buffer => varint(field * 8 + layout);

/**
 * Seven bits per byte, lowest first; the eighth bit says that more follow. Divides instead of
 * shifting bits, as a step may exceed 2^31.
 */
function varint(value: number): Buffer {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`varint: must be a whole number of at least 0, got ${value}`);
  }
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}
