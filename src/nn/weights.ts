/** Weights stored as published models are: one safetensors file, or shards with an index. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { readJson } from '../read-json.js';
import {
  availability,
  cudaDevice,
  type DType,
  engineInfo,
  openSafetensors,
} from '../tensor/index.js';
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
 */
export function loadWeights(
  module: Module,
  folder: string,
  file: string,
  dtype: DType | null,
): void {
  const single = join(folder, `${file}.safetensors`);
  const indexPath = `${single}.index.json`;
  const paths =
    existsSync(single) || !existsSync(indexPath) ? [single] : shardsOf(folder, indexPath);
  const files = paths.map((path) => openSafetensors(path));
  const homes = new Map(files.flatMap((open) => open.keys().map((key) => [key, open] as const)));
  module.loadStateDict(
    {
      keys: () => [...homes.keys()],
      has: (name) => homes.has(name),
      get: (name) => homes.get(name)!.get(name),
    },
    { dtype: dtype ?? undefined, where: paths.length === 1 ? single : indexPath },
  );
  for (const open of files) open.close();
}

function shardsOf(folder: string, indexPath: string): string[] {
  const { weight_map: map } = readJson(indexPath) as { weight_map?: Record<string, string> };
  if (!map) throw new InputError(`${indexPath}: must have a "weight_map", got none`);
  return [...new Set(Object.values(map))].map((name) => join(folder, name));
}
