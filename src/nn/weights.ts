/** Weights stored as published models are: one safetensors file, or shards with an index. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { isObject, kindOf, readJsonObject, short } from '../files/read-json.js';
import {
  availability,
  cudaDevice,
  type DType,
  engineInfo,
  OTHER_ENDINGS,
  openSafetensors,
  type SafetensorsFile,
} from '../tensor/index.js';
import { findNotNumbers } from './finite.js';
import type { Module } from './module.js';

/**
 * What a device computes fast in without loss that shows: bfloat16 where it has units for it (CUDA
 * from compute capability 8), float16 on older CUDA devices, float32 elsewhere.
 */
export function fastDtype(device = 'cpu'): DType {
  if (device.startsWith('cuda')) {
    const [major] = cudaDevice(device, availability())?.capability ?? [0];
    // 0: the driver does not say, as with cards of other makers, which have bfloat16
    return major === 0 || major >= 8 ? 'bfloat16' : 'float16';
  }
  if (device !== 'cpu') return 'float32';
  return ['amx_bf16', 'avx512_bf16', 'bf16'].includes(engineInfo().matrixUnits)
    ? 'bfloat16'
    : 'float32';
}

/**
 * Loads one module's weights from `<file>.safetensors`, or its shards by their index.
 * @param dtype   null: as they are stored
 * @throws InputError if a file is missing or not whole, or the weights are not the module's
 */
export function loadWeights(
  module: Module,
  folder: string,
  file: string,
  dtype: DType | null,
): void {
  const { paths, where } = weightFiles(folder, file);
  const files: SafetensorsFile[] = [];
  try {
    for (const path of paths) files.push(openSafetensors(path));
    const homes = homesOf(files);
    module.loadStateDict(
      {
        keys: () => [...homes.keys()],
        has: (name) => homes.has(name),
        get: (name) => homes.get(name)!.get(name),
      },
      { dtype: dtype ?? undefined, where },
    );
  } finally {
    for (const open of files) open.close();
  }
}

/**
 * Which stored weight holds other values than numbers, as "FILE: TENSOR holds NaN"; null if none
 * does. Reads all of them.
 */
export function findBrokenWeight(folder: string, file: string): string | null {
  for (const path of weightFiles(folder, file).paths) {
    const open = openSafetensors(path);
    try {
      const found = findNotNumbers(open.keys().map((key) => [key, () => open.get(key)] as const));
      if (found) return `${path}: ${found}`;
    } finally {
      open.close();
    }
  }
  return null;
}

/** @throws InputError naming the file and the tensor; reads all of them, as training will */
export function expectSoundWeights(folder: string, file: string): void {
  const broken = findBrokenWeight(folder, file);
  if (broken) throw new InputError(`${broken}; ${GET_ANOTHER}`);
}

/** What to do about weights that are no numbers. */
export const GET_ANOTHER =
  'the file is damaged, or its training diverged: copy it again or take another';

/** The files of a module's weights, and what names them all. */
function weightFiles(folder: string, file: string): { paths: string[]; where: string } {
  const single = join(folder, `${file}.safetensors`);
  const indexPath = `${single}.index.json`;
  if (existsSync(single)) return { paths: [single], where: single };
  if (existsSync(indexPath)) return { paths: shardsOf(folder, indexPath), where: indexPath };
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const other = names.find((name) => OTHER_ENDINGS.some((ending) => name.endsWith(ending)));
  const instead = other
    ? `: ${other} is a kind of file that is not read, so get the weights as safetensors or convert them`
    : '';
  throw new InputError(`${single}: no such file${instead}`);
}

function shardsOf(folder: string, indexPath: string): string[] {
  const { weight_map: map } = readJsonObject(indexPath);
  if (!isObject(map) || Object.keys(map).length === 0) {
    throw new InputError(
      `${indexPath}: must have a "weight_map" of files by tensor, got ${kindOf(map)}`,
    );
  }
  const names = [...new Set(Object.values(map))];
  const wrong = names.find((name) => typeof name !== 'string' || !isShardName(name));
  if (wrong !== undefined) {
    throw new InputError(
      `${indexPath}: "weight_map" must name .safetensors files of its own folder, got ${short(JSON.stringify(wrong))}`,
    );
  }
  return (names as string[]).map((name) => join(folder, name));
}

/** A file beside the index; that it may be a link elsewhere, as in the hub's cache, is fine. */
const isShardName = (name: string): boolean => /^[^/\\\0]{1,243}\.safetensors$/.test(name);

function homesOf(files: readonly SafetensorsFile[]): Map<string, SafetensorsFile> {
  const homes = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const key of file.keys()) {
      const other = homes.get(key);
      if (other) {
        throw new InputError(
          `${file.path}: has ${short(key)}, as ${other.path} has; keep the shards of one download`,
        );
      }
      homes.set(key, file);
    }
  }
  return homes;
}
