/** The device that each process of a run computes on. */
import { hostname } from 'node:os';
import type { Parallel } from '../distributed/parallel.js';
import { InputError } from '../errors.js';
import { chooseDevice } from '../pipeline/device.js';
import { type Availability, availability, cudaDevice } from '../tensor/index.js';
import type { Recipe } from './recipe/config.js';

/** A process among those of its machine. */
export interface LocalPlace {
  localRank: number;
  localSize: number;
}

/**
 * The device of this process, by the name that tensors use. With `cuda` or `auto` each process of a
 * machine takes a GPU of its own.
 *
 * @param asked   in place of the recipe's: auto, cpu, cuda, cuda:N or mps
 * @throws InputError if there is no such device, or several processes would share the one that is named
 */
export function runDevice(
  { device: planned, dtype }: Pick<Recipe, 'device' | 'dtype'>,
  asked: string | undefined,
  { localRank, localSize }: LocalPlace,
  say: (sentence: string) => void = () => {},
  available: Availability = availability(),
): string {
  if (asked !== undefined && planned !== 'auto' && asked !== planned) {
    say(`computing on ${asked}, as \`device\` says, and not on the recipe's ${planned}`);
  }
  // of a choice that nobody has made, only a surprise is said
  const wanted = asked ?? (planned === 'auto' ? undefined : planned);
  const device = chooseDevice(wanted, dtype, say, available);
  if (localSize === 1 || !device.startsWith('cuda')) return device;
  if (wanted !== undefined && wanted !== 'cuda' && wanted !== 'auto') {
    throw new InputError(
      `\`device: '${wanted}'\`: is one GPU for ${localSize} processes, which need one each; take cuda, which gives each its own, or \`nproc: 1\``,
    );
  }
  // a launcher may show each process nothing but its own; `expectOwnGpus` finds those that share one
  return `cuda:${localRank % available.cuda.devices.length}`;
}

/**
 * Compares the GPUs of all processes.
 * @throws InputError, in all of them, naming two that are on the same one
 */
export async function expectOwnGpus(
  parallel: Pick<Parallel, 'size' | 'share'>,
  device: string,
): Promise<void> {
  if (parallel.size === 1) return;
  const gpu = cudaDevice(device, availability());
  const places = await parallel.share(gpu ? { host: hostname(), at: gpu.bus ?? '' } : null);
  expectApart(places);
}

/** @param places   the GPU of each process, by rank; null: it has none */
export function expectApart(places: readonly ({ host: string; at: string } | null)[]): void {
  const taken = new Map<string, number>();
  for (const [rank, place] of places.entries()) {
    if (!place || place.at === '') continue;
    const key = `${place.at} of ${place.host}`;
    const other = taken.get(key);
    if (other !== undefined) {
      throw new InputError(
        `\`device\`: ranks ${other} and ${rank} are both on the GPU ${key}, and each needs its own; start at most as many processes on a machine as it has GPUs (\`nproc\`), or use \`device: 'cpu'\``,
      );
    }
    taken.set(key, rank);
  }
}
