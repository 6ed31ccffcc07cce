/**
 * Tools for all fixture verifiers: reading side-cars and safetensors of a folder, error measures, and
 * rows that group tensors with the same tolerance.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { openSafetensors, type SafetensorsFile, type Tensor } from '../../tensor/index.js';
import type { VerifyRow } from './types.js';

/** Measures of the error between a tensor and the expected one; rows show the key as their measure. */
const MEASURES = {
  /** largest difference in units of the expected tensor's standard deviation */
  'max abs / std': (got, want) => maxAbsDiff(got, want) / standardDeviation(want),
  /** largest difference relative to the largest expected absolute value */
  'max abs / max': (got, want) => ratio(maxAbsDiff(got, want), maxAbs(want)),
  /** largest difference */
  'max abs': (got, want) => maxAbsDiff(got, want),
  /** largest relative difference of single values, for scalars and short lists */
  relative: (got, want) => {
    let worst = 0;
    for (let i = 0; i < want.length; i++) {
      worst = Math.max(worst, ratio(nanToInfinity(Math.abs(got[i] - want[i])), Math.abs(want[i])));
    }
    return worst;
  },
  /** number of values that differ at all */
  exact: (got, want) => {
    let count = 0;
    for (let i = 0; i < want.length; i++) if (got[i] !== want[i]) count++;
    return count;
  },
} satisfies Record<string, (got: Numbers, want: Numbers) => number>;

export type Measure = keyof typeof MEASURES;
/** The largest error allowed, and how it is measured. */
export interface Limit {
  tolerance: number;
  measure: Measure;
}
/** Anything that holds numbers; Tensors are read as float32. */
export type Values = Tensor | ArrayLike<number> | number;
type Numbers = ArrayLike<number>;

/**
 * The error of `got` against `want`; Infinity if they differ in shape or length or contain NaN, so that a
 * wrong shape fails like a wrong value.
 */
export function errorOf(got: Values, want: Values, measure: Measure): number {
  if (isTensor(got) && isTensor(want) && got.shape.join() !== want.shape.join()) return Infinity;
  const a = numbersOf(got);
  const b = numbersOf(want);
  return a.length === b.length ? MEASURES[measure](a, b) : Infinity;
}

/** A row for one tensor. */
export function row(
  fixture: string,
  tensor: string,
  got: Values,
  want: Values,
  limit: Limit,
): VerifyRow {
  const error = errorOf(got, want, limit.measure);
  return { case: fixture, tensor, error, ...limit, pass: error <= limit.tolerance };
}

/**
 * Combines rows of the same tolerance into one, with the largest error and the name of that tensor, e.g.
 * `grad.* (48), worst grad.pos_embed.proj.bias`.
 */
export function groupRows(name: string, rows: VerifyRow[]): VerifyRow {
  const worst = rows.reduce((a, b) => (b.error > a.error || Number.isNaN(b.error) ? b : a));
  const tensor = `${name} (${rows.length}), worst ${worst.tensor}`;
  return { ...worst, tensor, pass: rows.every((r) => r.pass) };
}

/** The tolerance that a side-car states, as prose and a number. */
export interface StatedTolerance {
  metric: string;
  limit: number;
}

/**
 * The tolerance by the prose: `limit`, `limit · max(1,
 * largest expected absolute value)`, or 0 if exact.
 */
export function limitFor(want: Tensor, { metric, limit }: StatedTolerance): Limit {
  if (metric === 'exact') return { measure: 'exact', tolerance: 0 };
  const floored = metric.includes('max(1,');
  const scale = floored ? Math.max(1, want.abs().amax().item()) : 1;
  return { measure: 'max abs', tolerance: limit * scale };
}

/** Parses a JSON side-car of a fixture folder. @throws InputError naming the file */
export function readSideCar<T>(folder: string, file: string): T {
  const path = join(folder, file);
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (cause) {
    throw new InputError(`${path}: must be a JSON side-car, got ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** What the side-car of a case says, whatever network it is of. */
export interface SideCar {
  /** its tensors */
  file: string;
  kind: string;
  config?: string;
  weights?: string;
  /** names of the tensors that the case is given; the others are what it must give */
  inputs: string[];
  tensors: Record<string, unknown>;
}

/**
 * The side-cars of the cases in a folder, with their names; JSON files with `configKey` are configs and
 * skipped.
 * @throws InputError for a side-car that lacks the kind of its case or the file of its tensors
 */
export function* sideCarsOf<T extends SideCar>(
  folder: string,
  configKey: string,
): Iterable<{ name: string; sideCar: T }> {
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json')) continue;
    const sideCar = readSideCar<Partial<T>>(folder, file);
    if (configKey in sideCar) continue;
    if (!sideCar.file || !sideCar.kind) {
      throw new InputError(`${file}: is not a side-car of a case: file or kind is missing`);
    }
    yield { name: file.slice(0, -'.json'.length), sideCar: sideCar as T };
  }
}

/** The pipeline folder among the `names` of a folder. */
export const pipelineOf = (folder: string, names: string[]): string | undefined =>
  names.find((name) => existsSync(join(folder, name, 'model_index.json')));

/** A file of a fixture folder; its tensors are read on use. */
export type Fixture = Pick<SafetensorsFile, 'keys' | 'has' | 'get'>;

/** Opens `file` of a fixture folder; tensors are mapped, and copied where the device is not the CPU. */
export function openFixture(folder: string, file: string, device: string): Fixture {
  const opened = openSafetensors(join(folder, file));
  return {
    keys: () => opened.keys(),
    has: (name) => opened.has(name),
    get: (name) => opened.get(name).to(device),
  };
}

/**
 * The tensors of a file by name, optionally only those with
 * `prefix`, which is removed from their names.
 */
export function tensorsOf(file: Fixture, prefix = ''): Map<string, Tensor> {
  const found = file.keys().filter((key) => key.startsWith(prefix));
  return new Map(found.map((key) => [key.slice(prefix.length), file.get(key)]));
}

/** Reads weights, some of which are stored as int8 with a scale; these become float32. */
export function dequantised(file: Fixture, scales: Record<string, number>): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const [name, stored] of tensorsOf(file)) {
    if (name.endsWith('.scale') && weights.has(name.slice(0, -'.scale'.length))) continue;
    const scale = scales[name];
    weights.set(name, scale === undefined ? stored : stored.to('float32').mul(scale));
  }
  return weights;
}

function isTensor(values: Values): values is Tensor {
  return typeof values === 'object' && 'toFloat32Array' in values;
}

function numbersOf(values: Values): Numbers {
  if (typeof values === 'number') return [values];
  if (!isTensor(values)) return values;
  const array = values.dtype === 'float64' ? values.toArray() : values.toFloat32Array();
  return array as Numbers;
}

function maxAbsDiff(got: Numbers, want: Numbers): number {
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    worst = Math.max(worst, nanToInfinity(Math.abs(got[i] - want[i])));
  }
  return worst;
}

function maxAbs(values: Numbers): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i]));
  return largest;
}

function standardDeviation(values: Numbers): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  const mean = sum / values.length;
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i] - mean) ** 2;
  return Math.sqrt(squares / values.length);
}

/** 0 / 0 counts as no error: both tensors are zero there. */
function ratio(difference: number, scale: number): number {
  return difference === 0 ? 0 : difference / scale;
}

function nanToInfinity(value: number): number {
  return Number.isNaN(value) ? Infinity : value;
}
