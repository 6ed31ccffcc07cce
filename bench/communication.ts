/**
 * The cost of communication in training: the small model in 1, 2 and 4 processes on this machine,
 * with one thread each; and an extrapolation to 8 to 512 processes, from the latency measured here
 * and the bandwidths of common networks.
 *
 *     node --import tsx bench/communication.ts [ROUNDS]
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { dataParallel, type Sharding } from '../src/distributed/data-parallel.js';
import { ALONE, type Parallel } from '../src/distributed/parallel.js';
import { ProcessGroup } from '../src/distributed/process-group.js';
import { allReduceBytes } from '../src/distributed/traffic.js';
import { TRANSFORMER_PRESETS, type TransformerPreset } from '../src/models/transformer/config.js';
import { Store, tidy, zeros } from '../src/tensor/index.js';
import { batchesOf, sampleFlops, trainedTotal, wholeTransformer } from '../src/train/cost/cost.js';
import { type Cluster, DEVICES, stepOf } from '../src/train/cost/scaling.js';
import type { TrainedNetworks } from '../src/train/cost/trained-networks.js';
import { Recipe } from '../src/train/recipe/config.js';
import { stagesOf } from '../src/train/recipe/stages.js';
import { freePort } from '../test/distributed/processes.js';
import { median } from './measure.js';
import { miniModel } from './mini.js';

const ROUNDS = Number(process.argv[2] ?? 8);
/** Gradients are sent in buckets of this size. */
const BUCKET_BYTES = 4 * 2 ** 20;
const FLOAT = 4;

/** Medians over the rounds, for the slowest process. */
interface Measured {
  stepSeconds: number;
  /** the part of it spent waiting for other processes */
  waitedSeconds: number;
  bytes: number;
  /** the same gradient sums without any computation meanwhile */
  aloneSeconds: number;
  /** duration of an all-reduce, by number of bytes */
  sums: [bytes: number, seconds: number][];
}

async function work(): Promise<void> {
  const { MFM_BENCH_RANK, MFM_BENCH_SIZE, MFM_BENCH_PORT } = process.env;
  const [rank, size, port] = [MFM_BENCH_RANK, MFM_BENCH_SIZE, MFM_BENCH_PORT].map(Number) as [
    number,
    number,
    number,
  ];
  const [batch, sharding] = [Number(process.env.MFM_BENCH_BATCH), process.env.MFM_BENCH_SHARDING];
  let group: ProcessGroup | null = null;
  let parallel: Parallel = ALONE;
  if (size > 1) {
    const store = await Store.open('127.0.0.1', port, { serve: rank === 0, timeoutMs: 60_000 });
    group = await ProcessGroup.create({ store, rank, size, address: '127.0.0.1' });
    const options = { sharding: sharding as Sharding, bucketBytes: BUCKET_BYTES };
    parallel = dataParallel(group, options);
  }
  const measured = await train(parallel, batch);
  const total = await parallel.share(measured);
  const sums = group ? await timeSums(group) : [];
  const [, whole = 0] = sums.at(-1) ?? [];
  await group?.close();
  if (rank !== 0) return;
  const slowest = (figure: (one: (typeof total)[number]) => number) =>
    Math.max(...total.map(figure));
  const result: Measured = {
    stepSeconds: slowest((one) => one.stepSeconds),
    waitedSeconds: slowest((one) => one.waitedSeconds),
    bytes: total[0]!.bytes,
    aloneSeconds: whole,
    sums,
  };
  console.log(JSON.stringify(result));
}

async function train(parallel: Parallel, batch: number) {
  const { model, loss } = miniModel(64, batch);
  const optimizer = parallel.optimizer(model.namedParameters(), { weightDecay: 0.01 });
  const rounds: { seconds: number; waitedSeconds: number; bytes: number }[] = [];
  for (let round = -2; round < ROUNDS; round++) {
    const startMs = performance.now();
    tidy(() => optimizer.backward(loss().div(parallel.size), true));
    await optimizer.step({ learningRate: 1e-4, clipGradNorm: 1 });
    optimizer.zeroGrad();
    const seconds = (performance.now() - startMs) / 1000;
    const cost = parallel.takeCost();
    if (round >= 0) rounds.push({ seconds, ...cost });
    await new Promise(setImmediate);
  }
  return {
    stepSeconds: median(rounds.map(({ seconds }) => seconds)),
    waitedSeconds: median(rounds.map(({ waitedSeconds }) => waitedSeconds)),
    bytes: rounds[0]!.bytes,
  };
}

/** Times all-reduces of growing size, and last that of all gradients in their buckets. */
async function timeSums(group: ProcessGroup): Promise<[number, number][]> {
  const elements = trainedTotal(networksOf('mfm-mini').trained);
  const timed = async (run: () => Promise<void>) => {
    const seconds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await group.barrier();
      const startMs = performance.now();
      await run();
      seconds.push((performance.now() - startMs) / 1000);
    }
    return median(seconds);
  };
  const result: [number, number][] = [];
  for (const bytes of [FLOAT, 2 ** 16, 2 ** 20, BUCKET_BYTES, 2 ** 24]) {
    const buffer = zeros([bytes / FLOAT]).keep();
    result.push([bytes, await timed(() => group.allReduce([buffer]))]);
    buffer.dispose();
  }
  const pieces = Array.from({ length: Math.ceil((elements * FLOAT) / BUCKET_BYTES) }, () =>
    zeros([BUCKET_BYTES / FLOAT]).keep(),
  );
  result.push([pieces.length * BUCKET_BYTES, await timed(() => group.allReduce(pieces))]);
  return result;
}

async function report(): Promise<void> {
  const total = 8;
  const sums = new Map<number, Measured['sums']>();
  let alone = 0;
  console.log('processes  clips each  sharding  s/step  waiting  of step  MB sent  hidden');
  // waiting: seconds; hidden: the share of communication that overlaps computation
  const plans: [size: number, batch: number, sharding: Sharding][] = [
    [1, total, 'ddp'],
    ...[2, 4].flatMap((size): typeof plans => [
      [size, total / size, 'ddp'],
      [size, total, 'ddp'],
      [size, total, 'zero1'],
      [size, total, 'zero2'],
    ]),
  ];
  for (const [size, batch, sharding] of plans) {
    const one = await runJob(size, batch, sharding);
    if (size === 1) alone = one.stepSeconds;
    if (size > 1 && !sums.has(size)) sums.set(size, one.sums);
    const share = one.waitedSeconds / one.stepSeconds;
    // zero1 and zero2 also wait for weights, which do not overlap computation
    const hidden = percent(Math.max(0, 1 - one.waitedSeconds / one.aloneSeconds));
    console.log(
      [
        ...[String(size).padStart(9), String(batch).padStart(10), sharding.padStart(8)],
        ...[one.stepSeconds.toFixed(3).padStart(6), one.waitedSeconds.toFixed(3).padStart(7)],
        ...[percent(share).padStart(7), (one.bytes / 1e6).toFixed(1).padStart(7)],
        (size > 1 && sharding === 'ddp' ? hidden : '').padStart(6),
      ].join('  '),
    );
  }

  let latencySeconds = 0;
  for (const [size, points] of sums) {
    const fitted = fit(size, points);
    latencySeconds = Math.max(latencySeconds, fitted.latencySeconds);
    const shown = points.map(([bytes, seconds]) => `${bytes} B ${(seconds * 1e3).toFixed(2)} ms`);
    console.log(`\nall-reduce of ${size}: ${shown.join(', ')}`);
    console.log(
      `fitted: ${micro(fitted.latencySeconds)} per message, ${(fitted.bandwidth / 1e9).toFixed(2)} GB/s per process`,
    );
  }
  extrapolate(alone / total, latencySeconds);
}

/** Fits seconds = 2 (n - 1) latency + bytes sent / bandwidth to the smallest and largest sum. */
function fit(size: number, points: Measured['sums']) {
  const [, least] = points[0]!;
  const [bytes, most] = points.at(-2)!;
  const latencySeconds = least / (2 * (size - 1));
  return { latencySeconds, bandwidth: allReduceBytes(size, bytes) / (most - least) };
}

/** Prints the share of exposed communication in a step, with equal work per process. */
function extrapolate(secondsPerClip: number, latencySeconds: number): void {
  const ranks = [8, 16, 32, 64, 128, 256, 512];
  const small = { numFrames: 17, width: 64, height: 64 };
  const large = { numFrames: 89, width: 640, height: 352, gradCheckpointing: true };
  const mini = networksOf('mfm-mini');
  const { split, whole } = sampleFlops(mini, small, { gradCheckpointing: false });
  const cpu = {
    ranksPerNode: 1,
    peakFlops: (split + whole) / secondsPerClip,
    efficiency: 1,
    memoryBytes: 0,
    bandwidthWithin: 1,
    bucketBytes: BUCKET_BYTES,
    latencySeconds,
  };
  const gpu = { ...DEVICES.h100, efficiency: 0.4 };
  const cases: [string, TrainedNetworks, object, number, Omit<Cluster, 'ranks'>][] = [
    ...[1, 10, 100].map((gigabits): (typeof cases)[number] => [
      `mfm-mini, 8 clips of 17x64x64 each, CPUs at ${gigabits} Gb/s`,
      ...([mini, small, 8, { ...cpu, bandwidthBetween: (gigabits * 1e9) / 8 }] as const),
    ]),
    ...(['mfm-2b', 'mfm-8b'] as const).flatMap((preset) =>
      [100, 400].map((gigabits): (typeof cases)[number] => [
        `${preset}, 2 clips of 89x352x640 each, H100s at 40%, ${gigabits} Gb/s between nodes`,
        ...([networksOf(preset), large, 2] as const),
        { ...gpu, bandwidthBetween: (gigabits * 1e9) / 8 },
      ]),
    ),
  ];
  console.log(`\nexposed communication as a share of a step, on ${ranks.join(', ')} ranks`);
  for (const [name, networks, size, clips, cluster] of cases) {
    for (const sharding of ['ddp', 'zero1'] as const) {
      const shares = ranks.map((n) => {
        const settings = { steps: 1, imageShare: [0, 0] as [number, number], ...size };
        const [stage] = stagesOf(Recipe.parse({ name: 'bench', transformer: settings }));
        const tokens = batchesOf(stage!)[0]!.tokens;
        const whole = { ...stage!, tokensPerBatch: n * clips * tokens };
        const step = stepOf(networks, whole, sharding, { ...cluster, ranks: n });
        return percent(step.exposedSeconds / step.seconds).padStart(6);
      });
      console.log(`${shares.join(' ')}  ${sharding.padEnd(5)}  ${name}`);
    }
  }
}

const networksOf = (preset: TransformerPreset): TrainedNetworks => ({
  transformer: TRANSFORMER_PRESETS[preset],
  dtype: 'bfloat16',
  promptLength: 77,
  textEncoder: { parameters: 0 },
  autoencoder: { parameters: 0 },
  trained: wholeTransformer(TRANSFORMER_PRESETS[preset]),
});

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
const micro = (seconds: number): string => `${(seconds * 1e6).toFixed(0)} µs`;

/** Starts this file once per process; the output of the first one is the result. */
async function runJob(size: number, batch: number, sharding: Sharding): Promise<Measured> {
  const port = await freePort();
  const outputs = await Promise.all(
    [...Array(size).keys()].map((rank) => {
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', fileURLToPath(import.meta.url), String(ROUNDS)],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
          env: {
            ...process.env,
            OMP_NUM_THREADS: '1',
            MFM_THREADS: '1',
            MFM_BENCH_RANK: `${rank}`,
            MFM_BENCH_SIZE: `${size}`,
            MFM_BENCH_PORT: `${port}`,
            MFM_BENCH_BATCH: `${batch}`,
            MFM_BENCH_SHARDING: sharding,
          },
        },
      );
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      return new Promise<string>((resolve, reject) => {
        child.on('close', (code) => {
          if (code === 0) resolve(text);
          else reject(new Error(`rank ${rank} of ${size} ended with ${code}`));
        });
      });
    }),
  );
  return JSON.parse(outputs[0]!) as Measured;
}

if (process.env.MFM_BENCH_RANK) await work();
else await report();
