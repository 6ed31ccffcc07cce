/** Weights stored like those of published models: one safetensors file, or shards with an index. */
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
 * The fastest dtype for a device without a visible loss of quality: bfloat16 where the hardware
 * supports it (CUDA from compute capability 8), float16 on older CUDA devices, float32 elsewhere.
 */
export function fastDtype(device = 'cpu'): DType {
  if (device.startsWith('cuda')) {
    const [major] = cudaDevice(device, availability())?.capability ?? [0];
    // 0: the driver does not say, as with cards of other makers, which support bfloat16
    return major === 0 || major >= 8 ? 'bfloat16' : 'float16';
  }
  if (device !== 'cpu') return 'float32';
  return ['amx_bf16', 'avx512_bf16', 'bf16'].includes(engineInfo().matrixUnits)
    ? 'bfloat16'
    : 'float32';
}

/**
 * Loads a module's weights from `<file>.safetensors`, or from its shards through their index.
 * @param dtype   null: as stored
 * @throws InputError if a file is missing or incomplete, or the weights do not fit the module
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
 * The first stored weight with non-finite values, as "FILE: TENSOR holds NaN"; null if there is
 * none. Reads all weights.
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

/** Reads all weights. @throws InputError naming the file and tensor if a weight is non-finite */
export function expectSoundWeights(folder: string, file: string): void {
  const broken = findBrokenWeight(folder, file);
  if (broken) throw new InputError(`${broken}; ${GET_ANOTHER}`);
}

/** The remedy for non-finite weights, as the end of an error message. */
export const GET_ANOTHER =
  'the file is damaged, or its training diverged: copy it again or take another';

/** The files of a module's weights, and the one to name in messages about all of them. */
function weightFiles(folder: string, file: string): { paths: string[]; where: string } {
  const single = join(folder, `${file}.safetensors`);
  const indexPath = `${single}.index.json`;
  if (existsSync(single)) return { paths: [single], where: single };
  if (existsSync(indexPath)) return { paths: shardsOf(folder, indexPath), where: indexPath };
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const other = names.find((name) => OTHER_ENDINGS.some((ending) => name.endsWith(ending)));
  const instead = other
    ? `; ${other} is in an unsupported format: get the weights as safetensors, or convert them`
    : '';
  throw new InputError(`${single}: no such file${instead}`);
}

function shardsOf(folder: string, indexPath: string): string[] {
  const { weight_map: map } = readJsonObject(indexPath);
  if (!isObject(map) || Object.keys(map).length === 0) {
    throw new InputError(
      `${indexPath}: must have a "weight_map" from tensors to files, got ${kindOf(map)}`,
    );
  }
  const names = [...new Set(Object.values(map))];
  const wrong = names.find((name) => typeof name !== 'string' || !isShardName(name));
  if (wrong !== undefined) {
    throw new InputError(
      `${indexPath}: "weight_map" must name .safetensors files in the same folder, got ${short(JSON.stringify(wrong))}`,
    );
  }
  return (names as string[]).map((name) => join(folder, name));
}

/** A file beside the index. It may be a link to elsewhere, as in the hub's cache. */
const isShardName = (name: string): boolean => /^[^/\\\0]{1,243}\.safetensors$/.test(name);

function homesOf(files: readonly SafetensorsFile[]): Map<string, SafetensorsFile> {
  const homes = new Map<string, SafetensorsFile>();
  for (const file of files) {
    for (const key of file.keys()) {
      const other = homes.get(key);
      if (other) {
        throw new InputError(
          `${file.path}: has ${short(key)}, which ${other.path} has too; keep the shards of one download only`,
        );
      }
      homes.set(key, file);
    }
  }
  return homes;
}
