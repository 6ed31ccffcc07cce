/**
 * Throughput of the data feed in samples per second, with all clip tasks, by number of worker
 * threads: from MiniWorld and from clips in a folder (the first argument; default: examples/media),
 * 17x64x64, without and with cached latents and frames.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DataStore } from '../src/data/store.js';
import { fromRoot } from '../src/files/package-root.js';
import type { Frames } from '../src/media/index.js';
import { zeros } from '../src/tensor/index.js';
import { encodeAhead, openFeed, openSources, SampleMaker } from '../src/train/feed/index.js';
import { Recipe, type Source } from '../src/train/recipe/config.js';
import { stagesOf } from '../src/train/recipe/stages.js';
import { machineLine } from './measure.js';

const SECONDS = 6;
const manifest = process.argv[2] ?? fromRoot('examples/media');

// a stand-in, since the autoencoder is measured elsewhere
const encode = ({ width, height, numFrames }: Frames) =>
  zeros([1, 16, (numFrames - 1) / 4 + 1, height / 8, width / 8], { dtype: 'bfloat16' });
const encoder = { hash: 'none', encode };
const report = { start() {}, update() {}, log() {}, end() {} };

async function measure(source: Source, workers: number): Promise<void> {
  const transformer = { steps: 1, imageShare: [0, 0] };
  const stage = stagesOf(Recipe.parse({ name: 'bench', data: [source], transformer }))[0]!;
  const folder = mkdtempSync(join(tmpdir(), 'mfm-bench-'));
  const store = DataStore.open(folder);
  const { sources } = await openSources([source], { store });
  const figures: string[] = [];
  for (const kept of [null, store]) {
    const maker = new SampleMaker({ store: kept, workers });
    const { signal } = new AbortController();
    const all = { stages: [stage], sources: [sources], report, signal };
    await encodeAhead({ ...all, maker, encoder });
    const feed = await openFeed({ stage, sources, seed: 0, doneAt: () => 1, encoder, maker });
    // lets the threads start, and drains what is queued
    for (let i = 0; i < 4; i++) await feed.next();
    const startMs = performance.now();
    let samples = 0;
    while (performance.now() - startMs < SECONDS * 1000) {
      samples += (await feed.next()).samples.length;
    }
    const rate = (1000 * samples) / (performance.now() - startMs);
    figures.push(`${kept ? 'cached' : 'uncached'} ${rate.toFixed(0)} samples/s`);
    await feed.close();
    await maker.close();
  }
  await store.close();
  rmSync(folder, { recursive: true });
  console.log(`${source.manifest ?? 'miniworld'}, ${workers} workers: ${figures.join(', ')}`);
}

console.log(machineLine());
const miniworld = { clips: 500, images: 0, maxObjects: 2, plainShare: 0.5 };
for (const source of [
  { miniworld, weight: 1 },
  { manifest, weight: 1 },
]) {
  for (const workers of [1, 2]) await measure(source, workers);
}
