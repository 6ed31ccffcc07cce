/** Element types: their names, LibTorch's codes, sizes, and the typed array that holds each. */
import { InputError } from '../errors.js';

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | BigInt64Array;

// code: c10::ScalarType; safetensors: the name in file headers
const table = {
  uint8: { code: 0, bytes: 1, array: Uint8Array, safetensors: 'U8' },
  int8: { code: 1, bytes: 1, array: Int8Array, safetensors: 'I8' },
  int16: { code: 2, bytes: 2, array: Int16Array, safetensors: 'I16' },
  int32: { code: 3, bytes: 4, array: Int32Array, safetensors: 'I32' },
  int64: { code: 4, bytes: 8, array: BigInt64Array, safetensors: 'I64' },
  float16: { code: 5, bytes: 2, array: Uint16Array, safetensors: 'F16' },
  float32: { code: 6, bytes: 4, array: Float32Array, safetensors: 'F32' },
  float64: { code: 7, bytes: 8, array: Float64Array, safetensors: 'F64' },
  bool: { code: 11, bytes: 1, array: Uint8Array, safetensors: 'BOOL' },
  bfloat16: { code: 15, bytes: 2, array: Uint16Array, safetensors: 'BF16' },
} as const;

export type DType = keyof typeof table;

const byCode = new Map<number, DType>();
const bySafetensors = new Map<string, DType>();
for (const [name, row] of Object.entries(table)) {
  byCode.set(row.code, name as DType);
  bySafetensors.set(row.safetensors, name as DType);
}

export function isDType(name: string): name is DType {
  return Object.hasOwn(table, name);
}

/** LibTorch's code of a dtype; undefined stays undefined (the operator's default). */
export function dtypeCode(dtype: DType): number;
export function dtypeCode(dtype: DType | null | undefined): number | null | undefined;
export function dtypeCode(dtype: DType | null | undefined): number | null | undefined {
  return dtype == null ? dtype : table[dtype].code;
}

export function dtypeOfCode(code: number): DType {
  const dtype = byCode.get(code);
  if (!dtype) throw new InputError(`dtype: LibTorch's scalar type ${code} is not supported`);
  return dtype;
}

/** undefined for an element type that LibTorch 1.13 does not have, e.g. F8_E4M3 */
export const dtypeOfSafetensors = (name: string): DType | undefined => bySafetensors.get(name);
export const safetensorsName = (dtype: DType): string => table[dtype].safetensors;
export const bytesPerElement = (dtype: DType): number => table[dtype].bytes;

/** The typed array that holds a dtype's raw elements (16-bit floats as Uint16Array). */
export function typedArrayFor(dtype: DType): new (buffer: ArrayBuffer | number) => TypedArray {
  return table[dtype].array as unknown as new (
    buffer: ArrayBuffer | number,
  ) => TypedArray;
}

/** The dtype of a typed array's elements. */
export function dtypeOfArray(array: ArrayBufferView): DType {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Float64Array) return 'float64';
  if (array instanceof Uint8Array || array instanceof Uint8ClampedArray) return 'uint8';
  if (array instanceof Int8Array) return 'int8';
  if (array instanceof Int16Array) return 'int16';
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof BigInt64Array) return 'int64';
  throw new InputError(
    `tensor: the elements of a ${array.constructor.name} have no dtype of their own; pass one (e.g. 'bfloat16')`,
  );
}
