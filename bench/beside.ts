/**
 * The CPU time of every network, alone and beside a program that keeps one core busy. Threads that
 * wait for each other in busy loops use many times as much CPU time beside other load.
 *
 *     node --import tsx bench/beside.ts [ROUNDS] [NETWORK]
 *
 * The figure alone is the minimum over the rounds, that beside the busy core the median. Other load
 * on the machine adds to both; if permitted, `nice -n -20` in a separate session avoids that.
 */
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Autoencoder,
  AutoencoderConfig,
  autoencoderLoss,
} from '../src/models/autoencoder/index.js';
import { DepthAnything, parseDepthAnythingConfig } from '../src/models/depth-anything/index.js';
import { parseT5Config, T5Encoder } from '../src/models/t5/index.js';
import { ConditionAdapter } from '../src/models/transformer/adapter.js';
import { type Module, withParameters } from '../src/nn/index.js';
import { noGrad, ones, rand, randn, tidy } from '../src/tensor/index.js';
import { machineLine, median, verdict } from './measure.js';
import { miniModel } from './mini.js';

const [rounds = '7', only = ''] = process.argv.slice(2);
const ROUNDS = Number(rounds);
const LIMIT = 1.6;
const SECONDS = 0.15; // the least CPU time over which a figure is measured

/** One pass of each network; all in bfloat16, except depth in float32. */
function networks(): Record<string, () => void> {
  const mini = miniModel(64, 4);
  const make = <M extends Module>(build: () => M) => withParameters({ dtype: 'bfloat16' }, build);
  const adapter = make(() => new ConditionAdapter(5, 256, [8, 16, 32, 64, 128]));
  const autoencoder = make(
    () =>
      new Autoencoder(
        AutoencoderConfig.parse({
          block_out_channels: [16, 32, 64, 64],
          layers_per_block: 1,
          norm_num_groups: 8,
        }),
      ),
  );
  const wide = make(
    () => new Autoencoder(AutoencoderConfig.parse({ block_out_channels: [128, 256, 256, 512] })),
  );
  const text = make(() => new T5Encoder(parseT5Config({ model_type: 't5' })));
  const depth = new DepthAnything(parseDepthAnythingConfig(DEPTH));
  const clips = randn([4, 5, 17, 64, 64]).to('bfloat16').keep();
  const video = rand([1, 3, 17, 64, 64]).to('bfloat16').keep();
  const latents = randn([1, 16, 5, 8, 8]).to('bfloat16').keep();
  const tile = randn([1, 16, 1, 8, 8]).to('bfloat16').keep();
  const ids = ones([2, 77], { dtype: 'int64' }).keep();
  const picture = randn([1, 3, 224, 224]).keep();
  return {
    'transformer, forward': () => noGrad(() => mini.loss()),
    'transformer, training': () => mini.loss().backward(),
    'adapter, forward': () => noGrad(() => adapter.forward(clips)),
    'adapter, training': () => adapter.forward(clips).to('float32').square().mean().backward(),
    'autoencoder, encode': () => noGrad(() => autoencoder.encode(video)),
    'autoencoder, decode': () => noGrad(() => autoencoder.decode(latents)),
    'autoencoder, training': () => autoencoderLoss(autoencoder, video).loss.backward(),
    'wide autoencoder, decode': () => noGrad(() => wide.decode(tile)),
    T5: () => noGrad(() => text.forward(ids)),
    depth: () => noGrad(() => depth.forward(picture)),
  };
}

const DEPTH = {
  backbone_config: {
    model_type: 'dinov2',
    hidden_size: 192,
    num_hidden_layers: 6,
    num_attention_heads: 6,
    image_size: 224,
    out_indices: [2, 3, 5, 6],
    reshape_hidden_states: false,
  },
  reassemble_hidden_size: 192,
  neck_hidden_sizes: [32, 64, 96, 96],
  fusion_hidden_size: 64,
  head_hidden_size: 32,
};

/** CPU milliseconds per run, over all threads of this process. */
function cpuTime(run: () => void): number {
  const start = process.cpuUsage();
  let [used, runs] = [0, 0];
  do {
    tidy(run);
    runs++;
    const { user, system } = process.cpuUsage(start);
    used = (user + system) / 1e6;
  } while (used < SECONDS);
  return (1000 * used) / runs;
}

async function besideBusyCore<T>(measure: () => T): Promise<T> {
  const busy = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  await sleep(200);
  const result = measure();
  busy.kill('SIGKILL');
  await new Promise((ended) => busy.once('exit', ended));
  return result;
}

console.log(machineLine());
const runs = Object.entries(networks()).filter(([name]) => name.includes(only));
for (const [, run] of runs) tidy(run);
const alone: number[][] = runs.map(() => []);
const beside: number[][] = runs.map(() => []);
for (let round = 0; round < ROUNDS; round++) {
  for (const [i, run] of runs.entries()) alone[i]!.push(cpuTime(run[1]));
  await besideBusyCore(() => {
    for (const [i, run] of runs.entries()) beside[i]!.push(cpuTime(run[1]));
  });
}
console.log(
  '| network | CPU ms alone | CPU ms beside a busy core | ratio |\n| --- | --- | --- | --- |',
);
const ratios = runs.map(([name], i) => {
  const [before, after] = [Math.min(...alone[i]!), median(beside[i]!)];
  console.log(
    `| ${name} | ${before.toFixed(1)} | ${after.toFixed(1)} | ${(after / before).toFixed(2)} |`,
  );
  return after / before;
});
const worst = Math.max(...ratios);
verdict(`worst ratio: ${worst.toFixed(2)}`, worst <= LIMIT, `at most ${LIMIT}`);
