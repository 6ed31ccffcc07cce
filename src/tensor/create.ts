/** Tensors from JavaScript values and typed arrays. */
import { markAsUntransferable } from 'node:worker_threads';
import { ShapeError } from '../errors.js';
import { operator, wrap } from './dispatch.js';
import { type DType, dtypeCode, dtypeOfArray, type TypedArray, typedArrayFor } from './dtype.js';
import { native } from './native.js';
import type { Tensor } from './tensor.js';

export type Nested = number | boolean | Nested[];

const fromValues = operator('tensor');
const fromMemory = operator('fromArray');

/** Numbers go into these directly: float32 holds whole numbers only up to 2^24. */
const EXACT: readonly (DType | undefined)[] = ['float64', 'int32', 'int16', 'int8', 'uint8'];

/**
 * A tensor holding a copy of `values`: a number, nested arrays or a typed array.
 * The dtype defaults to float32 for numbers, bool for booleans, and the array's own type.
 * 16-bit floats from their bits: a Uint16Array with `dtype` 'bfloat16' or 'float16'.
 * @throws ShapeError if nested arrays are ragged or `shape` does not fit
 */
export function tensor(
  values: Nested | TypedArray,
  options: { dtype?: DType; shape?: number[]; device?: string } = {},
): Tensor {
  let array: TypedArray;
  let shape: number[];
  let dtype: DType;
  if (ArrayBuffer.isView(values)) {
    array = values as TypedArray;
    shape = options.shape ?? [array.length];
    const isBits = array instanceof Uint16Array && is16BitFloat(options.dtype);
    dtype = isBits ? options.dtype! : dtypeOfArray(array);
  } else {
    shape = shapeOf(values);
    const flat = (Array.isArray(values) ? values : [values]).flat(
      Number.POSITIVE_INFINITY as 1,
    ) as (number | boolean)[];
    const count = shape.reduce((a, b) => a * b, 1);
    if (flat.length !== count) {
      throw new ShapeError(`tensor: nested arrays must be regular, got ${flat.length} values`);
    }
    if (options.dtype === 'int64') {
      array = BigInt64Array.from(flat.map((value) => BigInt(Number(value))));
      dtype = 'int64';
    } else {
      dtype = typeof flat[0] === 'boolean' ? 'bool' : 'float32';
      if (EXACT.includes(options.dtype)) dtype = options.dtype!;
      array = new (typedArrayFor(dtype))(count);
      (array as Float32Array).set(flat.map(Number));
    }
    shape = options.shape ?? shape;
  }
  let result = wrap(native.fromBuffer(array, shape, dtypeCode(dtype), true), fromValues);
  if (options.dtype) result = result.to(options.dtype);
  return options.device ? result.to(options.device) : result;
}

/**
 * A tensor over the memory of `array`, without a copy: writes to either are visible in both. From
 * then on the buffer cannot be transferred to another thread: a message that tries to copies it.
 * 16-bit floats: a Uint16Array with `dtype` 'bfloat16' or 'float16'.
 * @throws OperatorError if `shape` does not fit, or the buffer is resizable
 */
export function fromArray(array: ArrayBufferView, shape: number[], dtype?: DType): Tensor {
  const type = dtype ?? dtypeOfArray(array);
  const handle = native.fromBuffer(array, shape, dtypeCode(type), false);
  markAsUntransferable(array.buffer);
  return wrap(handle, fromMemory);
}

const is16BitFloat = (dtype?: DType): boolean => dtype === 'bfloat16' || dtype === 'float16';

function shapeOf(values: Nested): number[] {
  const shape: number[] = [];
  let level = values;
  while (Array.isArray(level)) {
    shape.push(level.length);
    level = level[0] as Nested;
  }
  return shape;
}
