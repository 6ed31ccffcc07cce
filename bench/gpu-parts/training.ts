/** A whole small training run, on the device and on the CPU; and whether it resumes bit for bit. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RecipeInput, train } from '../../src/train/index.js';
import type { Context, Row } from './context.js';

const STEPS = 12;

/** 64x64, 5 frames, two blocks of width 128: seconds on a CPU. */
const recipe = (dtype: 'float32' | 'bfloat16'): RecipeInput => ({
  name: 'gpu',
  dtype,
  data: [{ miniworld: { clips: 32, images: 32 } }],
  validationSamples: 0,
  autoencoder: {
    steps: 2,
    width: 64,
    height: 64,
    blockOutChannels: [8, 8, 8, 8],
    batches: [{ numFrames: 5, batchSize: 2 }],
  },
  textEncoder: { width: 32, numLayers: 1 },
  transformer: {
    steps: STEPS,
    numLayers: 2,
    numHeads: 2,
    adapterChannels: [8, 8, 16, 16, 16],
    width: 64,
    height: 64,
    numFrames: 5,
    tokensPerBatch: 256,
    warmupSteps: 2,
    logEverySteps: 1,
    tasks: { t2i: 1, i2v: 1 },
    imageShare: [0.5, 0.5],
  },
});

export async function* training({ device }: Context): AsyncIterable<Row> {
  const root = mkdtempSync(join(tmpdir(), 'mfm-gpu-'));
  const run = (name: string) => join(root, name);
  try {
    await train(recipe('float32'), { run: run('cpu'), device: 'cpu' });
    for (const [dtype, limit] of [
      ['float32', 0.02],
      ['bfloat16', 0.2],
    ] as const) {
      await train(recipe(dtype), { run: run(dtype), device });
      const [got, want] = [lossesOf(run(dtype)), lossesOf(run('cpu'))];
      const worst = Math.max(...want.map((loss, i) => Math.abs(got[i]! - loss) / loss));
      yield {
        what: `losses of ${STEPS} steps, ${dtype}`,
        figure: `differ from the CPU's in float32 by at most ${(100 * worst).toFixed(2)} %`,
        values: { dtype, worst },
        passed: got.length === want.length && worst <= limit,
      };
    }
    const stopped = train(recipe('float32'), { run: run('stopped'), device });
    for await (const event of stopped) {
      const isStep = event.type === 'progress' && event.label.startsWith('transformer');
      if (isStep && event.done === STEPS / 2) break;
    }
    await train(recipe('float32'), { run: run('stopped'), device, resume: true });
    const same = weightsOf(run('stopped')).equals(weightsOf(run('float32')));
    yield {
      what: 'a run that is stopped and resumed',
      figure: same ? 'has the same weights, bit for bit' : 'has other weights',
      values: { same },
      passed: same,
    };
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function lossesOf(run: string): number[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { part: string; loss?: number })
    .flatMap(({ part, loss }) => (part === 'transformer' && loss !== undefined ? [loss] : []));
}

function weightsOf(run: string): Buffer {
  const folder = readdirSync(join(run, 'checkpoints'))
    .filter((name) => name.startsWith('transformer-'))
    .sort()
    .at(-1)!;
  return readFileSync(join(run, 'checkpoints', folder, 'weights.safetensors'));
}
