/**
 * Tensor lifetimes. Node runs finalizers only between event-loop turns, so loops must free tensors
 * explicitly: `tidy` frees all that were made inside it and not returned. Tensors made outside any
 * scope are freed by the garbage collector, as a safety net.
 */
import { native } from './native.js';
import type { Tensor } from './tensor.js';

let scopes: Tensor[][] = [];
const collected = new FinalizationRegistry<[handle: number, sizeBytes: number]>(
  ([handle, sizeBytes]) => {
    native.release(handle);
    native.adjustExternal(-sizeBytes);
  },
);

/** With `MFM_TRACE=1` every tensor records the line that made it (slow; for finding leaks). */
export const tracing = process.env.MFM_TRACE === '1';
const traced = new Map<string, number>();

/** The first stack line outside of src/tensor: where a user of this layer made a tensor. */
export function callSite(): string {
  const lines = (new Error().stack ?? '').split('\n').slice(2);
  return (lines.find((line) => !line.includes('/src/tensor/')) ?? '').trim();
}

/** Gives a new tensor to the innermost scope, or to the garbage collector. */
export function own(tensor: Tensor): void {
  const scope = scopes[scopes.length - 1];
  if (scope) scope.push(tensor);
  else guard(tensor);
  if (tracing) count(tensor.origin, 1);
}

export function count(origin: string, change: number): void {
  traced.set(origin, (traced.get(origin) ?? 0) + change);
}

/** Leaves a tensor to the garbage collector. */
export function guard(tensor: Tensor): void {
  const sizeBytes = native.numel(tensor.handle) * 4; // near enough for a hint
  native.adjustExternal(sizeBytes);
  tensor.guardedBytes = sizeBytes;
  collected.register(tensor, [tensor.handle, sizeBytes], tensor);
}

/** Unregisters a tensor from the garbage collector because it is being freed by hand. */
export function unguard(tensor: Tensor): void {
  if (tensor.guardedBytes === 0) return;
  collected.unregister(tensor);
  native.adjustExternal(-tensor.guardedBytes);
  tensor.guardedBytes = 0;
}

/**
 * Runs `fn` and frees every tensor made inside, except those in its result (a tensor, or tensors in
 * arrays, Maps and plain objects) and those on which `keep()` was called. Scopes nest; `fn`
 * must not be async.
 */
export function tidy<T>(fn: () => T): T {
  const outer = scopes;
  const scope: Tensor[] = [];
  scopes = [...outer, scope];
  let result: T | undefined;
  try {
    result = fn();
    if (result instanceof Promise) throw new TypeError('tidy: the function must not be async');
    return result;
  } finally {
    scopes = outer;
    const survivors = new Set<Tensor>();
    collect(result, survivors);
    const dead: number[] = [];
    for (const tensor of scope) {
      if (tensor.isDisposed || tensor.isKept) continue;
      if (survivors.has(tensor)) {
        const parent = outer[outer.length - 1];
        if (parent) parent.push(tensor);
        else guard(tensor);
      } else {
        dead.push(tensor.handle);
        tensor.forget();
      }
    }
    native.release(dead);
  }
}

function collect(value: unknown, into: Set<Tensor>): void {
  if (value === null || typeof value !== 'object') return;
  if (isTensor(value)) into.add(value);
  else if (Array.isArray(value)) for (const item of value) collect(item, into);
  else if (value instanceof Map) for (const item of value.values()) collect(item, into);
  else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, into);
  }
}

const isTensor = (value: object): value is Tensor => 'handle' in value && 'isKept' in value;

/** Live tensors, the bytes they use, bytes cached for reuse, the peak since `resetPeakMemory`. */
export function memoryInfo(): {
  tensors: number;
  usedBytes: number;
  cachedBytes: number;
  peakBytes: number;
} {
  const [usedBytes, cachedBytes, peakBytes] = native.memory();
  return { tensors: native.liveTensors(), usedBytes, cachedBytes, peakBytes };
}

/** With `MFM_TRACE=1`: the lines that made the live tensors, with counts, largest first. */
export function leakReport(): { origin: string; tensors: number }[] {
  return [...traced]
    .filter(([, tensors]) => tensors > 0)
    .map(([origin, tensors]) => ({ origin, tensors }))
    .sort((a, b) => b.tensors - a.tensors);
}

export const resetPeakMemory = (): void => native.resetPeak();
export const emptyCache = (): void => native.emptyCache();

/**
 * Runs `fn` with at most `bytes` cached for reuse: for work whose tensors have many different
 * sizes, all of which would be cached. The least recently used blocks are returned to the system
 * first.
 */
export function withCacheLimit<T>(bytes: number, fn: () => T): T {
  const [before] = native.setCacheLimit(bytes);
  try {
    return fn();
  } finally {
    native.setCacheLimit(before);
  }
}
