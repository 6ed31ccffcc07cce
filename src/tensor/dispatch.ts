/**
 * Calls operators by name. The generated wrappers in `ops.ts` and the generic `call` are built on
 * this file, which handles tensor handles and types but no mathematics.
 */
import { OperatorError } from '../errors.js';
import { type Generator, isGenerator } from './generator.js';
import { native } from './native.js';
import { guard, own } from './scope.js';
import type { Tensor } from './tensor.js';

/** An operator, looked up at its first call. */
export interface Operator {
  name: string;
  id: number;
  returns: 'tensor' | 'other' | 'unknown';
}

export type Scalar = number | boolean;
/** Memory formats by name, with c10's codes. */
export const memoryFormats = { contiguous: 0, preserve: 1, channelsLast: 2, channelsLast3d: 3 };
export type MemoryFormat = keyof typeof memoryFormats;
export const formatCode = (format: MemoryFormat | null | undefined) =>
  format == null ? format : memoryFormats[format];

let TensorClass: new (handle: number, origin: string) => Tensor;
/** Called once by tensor.ts, which this file must not import (it would be a circle). */
export function setTensorClass(tensorClass: typeof TensorClass): void {
  TensorClass = tensorClass;
}

export function operator(name: string): Operator {
  return { name, id: -1, returns: 'unknown' };
}

/** The operator's id in the addon. @throws OperatorError if this LibTorch has no such operator */
export function idOf(op: Operator): number {
  if (op.id >= 0) return op.id;
  op.id = native.operatorId(op.name);
  if (op.id < 0) {
    throw new OperatorError(`${op.name}: LibTorch ${native.version()} has no such operator`);
  }
  return op.id;
}

/** Whether this LibTorch has an operator, e.g. `hasOperator('aten::_fused_adamw_')`. */
export function hasOperator(name: string): boolean {
  return native.operatorId(name) >= 0;
}

export function wrap(handle: unknown, op: Operator): Tensor {
  const tensor = new TensorClass(handle as number, op.name);
  own(tensor);
  return tensor;
}

/** Like `wrap`, but no scope frees it: it lives until disposed or garbage-collected. */
export function wrapUnscoped(handle: number, op: Operator): Tensor {
  const tensor = new TensorClass(handle, op.name);
  guard(tensor);
  return tensor;
}

export function wrapList(handles: unknown, op: Operator): Tensor[] {
  return (handles as number[]).map((handle) => wrap(handle, op));
}

export const handlesOf = (tensors: readonly (Tensor | null)[]): (number | null)[] =>
  tensors.map((tensor) => (tensor ? tensor.handle : null));

const known = new Map<string, Operator>();

/**
 * Calls any operator by its full name, arguments in schema order:
 * `call('aten::add.Tensor', x, y)`. Tensors come back as Tensors, in the schema's order; in-place
 * operators return undefined.
 */
export function call<T = Tensor>(name: string, ...args: unknown[]): T {
  let op = known.get(name);
  if (!op) {
    op = operator(name);
    known.set(name, op);
  }
  const id = idOf(op);
  const result = native.call(id, ...args.map(toNative));
  return (returnsTensors(op) ? wrapAny(result, op) : result) as T;
}

function toNative(value: unknown): unknown {
  if (value instanceof TensorClass) return value.handle;
  if (isGenerator(value)) return (value as Generator).id;
  if (Array.isArray(value)) return value.map(toNative);
  return value;
}

function returnsTensors(op: Operator): boolean {
  if (op.returns === 'unknown') {
    const result = native.operatorSchema(op.id).split('->').pop() ?? '';
    op.returns = result.includes('Tensor') ? 'tensor' : 'other';
  }
  return op.returns === 'tensor';
}

function wrapAny(result: unknown, op: Operator): unknown {
  if (Array.isArray(result)) return result.map((item) => wrapAny(item, op));
  if (result === 0) return null;
  return typeof result === 'number' ? wrap(result, op) : result;
}
