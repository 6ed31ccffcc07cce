/**
 * The convolutions of the small model's condition adapter, forward and backward, on one thread: CPU
 * time, and its share of what the fastest matrix product would take. CPU time, so that other load
 * on the machine matters little.
 */

import { ConditionAdapter } from '../src/models/transformer/adapter.js';
import { TRANSFORMER_PRESETS } from '../src/models/transformer/config.js';
import { adapterFlops } from '../src/models/transformer/cost.js';
import { manualSeed, rand, randn, setThreads, tidy } from '../src/tensor/index.js';
import { machineLine, median } from './measure.js';
import { BATCH } from './mini.js';

const [FRAMES, SIZE] = [17, 64];
const RUNS = Number(process.argv[2] ?? 20);

setThreads(1);
manualSeed(0);
const config = TRANSFORMER_PRESETS['mfm-mini'];
const width = config.num_attention_heads * config.attention_head_dim;
const adapter = new ConditionAdapter(5, width, config.cond_block_out_channels).toDtype('bfloat16');
const clips = rand([BATCH, 5, FRAMES, SIZE, SIZE]).to('bfloat16');

/** Seconds of CPU time, user and system. */
function cpuSeconds(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

const [forward, backward]: number[][] = [[], []];
for (let i = 0; i < RUNS; i++) {
  tidy(() => {
    let loss = clips;
    forward.push(cpuSeconds(() => (loss = adapter.forward(clips).sum())));
    backward.push(cpuSeconds(() => loss.backward()));
    adapter.zeroGrad();
  });
  await new Promise(setImmediate);
}

const flops = BATCH * adapterFlops(config, { frames: FRAMES, height: SIZE, width: SIZE });
const [rows, inner, columns] = [2048, 2048, 2048];
const [x, weight] = [randn([rows, inner]), randn([inner, columns])].map((t) => t.to('bfloat16'));
const products = Array.from({ length: 8 }, () => cpuSeconds(() => x!.matmul(weight!).dispose()));
const peak = (2 * rows * inner * columns) / Math.min(...products);
console.log(`${machineLine()}; fastest product ${(peak / 1e9).toFixed(0)} GFLOP/s`);
const report = (what: string, seconds: number, work: number) => {
  const share = (100 * work) / seconds / peak;
  console.log(`${what}: ${(1000 * seconds).toFixed(1)} ms, ${share.toFixed(0)}% of it`);
};
report('forward', median(forward), flops);
report('backward', median(backward), 2 * flops);
