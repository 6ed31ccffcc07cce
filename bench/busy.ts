/**
 * The share of training time in which the model computes rather than waits for data:
 * `models/mfm-mini` on MiniWorld and on a folder of 200 mp4 clips, all tasks, 17x64x64. Files are
 * read for the first time (frames decoded during the steps) and again from the cache.
 *
 *     node --import tsx bench/busy.ts [STEPS]
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromRoot } from '../src/files/package-root.js';
import { findFfmpeg } from '../src/media/ffmpeg/ffmpeg.js';
import { Recipe, type Source } from '../src/train/recipe/config.js';
import { Run } from '../src/train/run/run.js';
import { trainParts } from '../src/train/train-parts.js';
import { machineLine, verdict } from './measure.js';

const CLIPS = 200;
const steps = Number(process.argv[2] ?? 100);
const base = fromRoot('models/mfm-mini');
const folder = mkdtempSync(join(tmpdir(), 'mfm-busy-'));
console.log(machineLine());
try {
  const clips = join(folder, 'clips');
  mkdirSync(clips);
  const film = 'testsrc2=s=192x128:r=24,noise=alls=20:allf=t,hue=h=20*t';
  execFileSync(findFfmpeg(), [
    ...['-v', 'error', '-f', 'lavfi', '-i', film, '-t', String(CLIPS), '-c:v', 'mpeg4'],
    ...['-q:v', '4', '-g', '24', '-f', 'segment', '-segment_time', '1', join(clips, '%03d.mp4')],
  ]);
  await measure('MiniWorld', {
    miniworld: { clips: 400, images: 400, maxObjects: 2, plainShare: 0.5 },
    weight: 1,
  });
  await measure(`${CLIPS} mp4 clips`, { manifest: clips, weight: 1 }, { cacheFrames: false });
  await measure(`${CLIPS} mp4 clips, frames cached`, { manifest: clips, weight: 1 });
} finally {
  rmSync(folder, { recursive: true });
}

async function measure(name: string, source: Source, more: object = {}): Promise<void> {
  const recipe = Recipe.parse({
    name: 'busy',
    base,
    data: [source],
    validationSamples: 0,
    ...more,
    transformer: {
      steps,
      imageShare: [0.3, 0.3],
      logEverySteps: steps,
      finalLearningRate: 1,
      learningRate: 1e-5,
      sampleEverySteps: 1e6,
      validateEverySteps: 1e6,
    },
  });
  const run = Run.open(join(folder, name), recipe);
  const report = { start() {}, update() {}, log() {}, end() {} };
  await trainParts({ run, recipe, report, signal: new AbortController().signal });
  const lines = readFileSync(run.path('metrics.jsonl'), 'utf8').trim().split('\n');
  const figures = lines
    .map((line) => JSON.parse(line) as Record<string, number>)
    .find(({ busy }) => busy !== undefined)!;
  const { busy, samplesPerSecond, tokensPerSecond, peakShare } = figures;
  const rates = `${samplesPerSecond!.toFixed(0)} samples/s, ${tokensPerSecond!.toFixed(0)} tokens/s, ${(100 * peakShare!).toFixed(0)}% of the peak`;
  verdict(`${name}: busy ${(100 * busy!).toFixed(1)}% (${rates})`, busy! >= 0.95, 'at least 95%');
}
