/**
 * The shadow device: a second device for tests, which behaves like a GPU (see shadow.cpp). Importing
 * this file builds it, if need be, and loads it. A program of its own gets it by
 * `node --import tsx --import test/shadow/shadow.ts`.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { findAddon, RECORD } from '../../src/files/addon.js';
import { fromRoot } from '../../src/files/package-root.js';
import { withLock } from '../../src/processes/lock.js';
import { native } from '../../src/tensor/native.js';

/** What the device has counted; see shadow.cpp. */
export interface Counts {
  uploads: number;
  uploadedBytes: number;
  downloads: number;
  downloadedBytes: number;
  waits: number;
  operators: number;
  heldBytes: number;
  peakBytes: number;
}

interface Addon {
  counts(): Counts;
  reset(): void;
  setLimit(bytes: number): void;
}

const SOURCES = [
  ...['shadow.cpp', 'CMakeLists.txt'].map((name) => fromRoot(`test/shadow/${name}`)),
  fromRoot('native/addon.cmake'),
];
/** What the addon in use was built against. */
const FACTS = join(dirname(findAddon()), 'native', 'libtorch.json');
const require = createRequire(import.meta.url);

/** The file for these sources and this LibTorch, built once whatever the number of processes. */
async function built(): Promise<string> {
  const folder = join(dirname(findAddon()), 'shadow');
  const hash = createHash('sha256');
  for (const path of [...SOURCES, FACTS, join(dirname(findAddon()), RECORD)]) {
    hash.update(readFileSync(path));
  }
  const path = join(folder, `shadow-${hash.digest('hex').slice(0, 16)}.node`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  await withLock(join(folder, '.lock'), async () => {
    if (existsSync(path)) return;
    const work = join(folder, 'work');
    rmSync(work, { recursive: true, force: true });
    const headers = (require('node-api-headers') as { include_dir: string }).include_dir;
    const ninja = spawnSync('ninja', ['--version']).status === 0 ? ['-G', 'Ninja'] : [];
    run('cmake', [
      ...['-S', fromRoot('test/shadow'), '-B', work, ...ninja, '-DCMAKE_BUILD_TYPE=Release'],
      ...[`-DMFM_LIBTORCH=${FACTS}`, `-DMFM_NODE_HEADERS=${headers}`],
    ]);
    run('cmake', ['--build', work]);
    renameSync(join(work, 'shadow.node'), path);
  });
  return path;
}

function run(program: string, words: string[]): void {
  const { status, stdout, stderr, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (status === 0) return;
  throw new Error(`${program} ${words.join(' ')}: ${error?.message ?? `${stdout}${stderr}`}`);
}

/** Why there is no shadow device here; false where there is one. A value for a test's `skip`. */
export const noShadow: string | false = reasonForNone();

function reasonForNone(): string | false {
  if (process.platform !== 'linux') return 'the shadow device is built on Linux alone';
  if (!existsSync(FACTS)) return 'the addon was not built here, so there is nothing to build for';
  // its autograd takes CUDA for the only device beside the CPU, and asks its driver; seen with 2.9
  const [hasCuda] = isMainThread ? native.cudaSupport() : [0];
  return hasCuda === 1 && 'this LibTorch is built for CUDA, beside which it takes no other device';
}

// threads that prepare samples have no tensors
const addon = noShadow || !isMainThread ? null : (require(await built()) as Addon);
if (addon && native.privateCount() !== 1) throw new Error('the shadow device is not registered');

/** Its name, as LibTorch writes it. */
export const SHADOW = 'privateuseone:0';

/** Counts since the last `resetCounts`, and the bytes held now. */
export const counts = (): Counts => addon!.counts();
export const resetCounts = (): void => addon!.reset();

/** Gives the device only so much memory; 0: all that the machine has. */
export const limitMemory = (bytes: number): void => addon!.setLimit(bytes);

/** What `work` takes. */
export function counted(work: () => void): Counts {
  resetCounts();
  work();
  return counts();
}
