/**
 * A step of the released models' transformer at full size, with random weights: guidance batch,
 * 17x352x640, bf16. Its time, its share of the best matrix product of the same run, its peak memory;
 * with --growth also over 1100 to 17600 tokens (of --layers blocks: cost is linear in blocks).
 *
 *     node --import tsx bench/released.ts --preset mfm-2b
 *     node --import tsx bench/released.ts --preset mfm-2b --layers 2 --growth
 */
import { defineArgs, parseArgs } from '../src/cli/args.js';
import { adapterFlops, passFlops } from '../src/models/transformer/cost.js';
import { TRANSFORMER_PRESETS, Transformer3D } from '../src/models/transformer/index.js';
import { withParameters } from '../src/nn/index.js';
import {
  full,
  memoryInfo,
  noGrad,
  ones,
  randn,
  resetPeakMemory,
  tidy,
} from '../src/tensor/index.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { gigaflops, peakProducts } from './peak.js';

const args = defineArgs({
  options: {
    preset: { kind: 'text', choices: ['mfm-2b', 'mfm-8b'], default: 'mfm-2b', describe: 'size' },
    layers: { kind: 'integer', min: 1, describe: 'blocks (default: all)' },
    steps: { kind: 'integer', min: 1, default: 2, describe: 'timed steps' },
    growth: { kind: 'flag', describe: 'over 1100, 2200, 4400, 8800, 17600 tokens' },
  },
});
const options = parseArgs('released', args, process.argv.slice(2));
const preset = TRANSFORMER_PRESETS[options.preset];
const config = { ...preset, num_layers: options.layers ?? preset.num_layers };
const [ROWS, TEXT] = [2, 77];
/** The public code under Debian's PyTorch 1.13, seconds a block at 4400 tokens, as measured once. */
const PUBLIC_BLOCK_SECONDS = 6.7;

console.log(machineLine());
noGrad(() => {
  const model = withParameters({ dtype: 'bfloat16' }, () => new Transformer3D(config));
  for (const parameter of model.parameters()) tidy(() => parameter.normal_(0, 0.02));
  console.log(
    `${options.preset}, ${config.num_layers} blocks: ${(model.parameterCount() / 1e9).toFixed(2)} G parameters`,
  );

  const peaks = peakProducts();
  const products: number[] = [];
  const peakNow = () => {
    for (const { run, flops } of peaks) products.push(flops / secondsOf(run));
  };
  for (const { run } of peaks) run();

  /** frames x height x width in latents; a token is 2 x 2 of them */
  const shapes = options.growth
    ? [
        [5, 22, 40],
        [5, 44, 40],
        [5, 44, 80],
        [10, 44, 80],
        [20, 44, 80],
      ]
    : [[5, 44, 80]];
  for (const [f, h, w] of shapes) {
    const tokens = (f! * h! * w!) / 4;
    const clip = { frames: 4 * (f! - 1) + 1, height: 8 * h!, width: 8 * w! };
    const bf16 = (shape: number[]) => randn(shape).to('bfloat16');
    const adapterStart = performance.now();
    const inputs = tidy(() => {
      const pixels = bf16([1, 4, clip.frames, clip.height, clip.width]);
      const mask = ones([1, 1, clip.frames, clip.height, clip.width]);
      const one = model.prepareCondition(pixels, mask).keep();
      return {
        latents: randn([ROWS, 16, f!, h!, w!]).keep(),
        condition: one.repeat([ROWS, 1, 1]).keep(),
        states: bf16([ROWS, TEXT, 2048]).keep(),
      };
    });
    const adapterSeconds = (performance.now() - adapterStart) / 1000;
    const step = () =>
      tidy(() => {
        const { latents, condition, states } = inputs;
        model.forward(latents, {
          ...{ timesteps: full([ROWS], 500), motionScores: full([ROWS], 5) },
          ...{ condition, text: model.prepareText(states), rope: model.prepareRope(latents) },
        });
      });
    if (options.growth) step();
    const before = memoryInfo().usedBytes;
    resetPeakMemory();
    const seconds: number[] = [];
    for (let i = 0; i < options.steps; i++) {
      peakNow();
      seconds.push(secondsOf(step));
    }
    peakNow();
    const extra = (memoryInfo().peakBytes - before) / 1e9;
    const taken = median(seconds);
    const flops = passFlops(config, { rows: ROWS, tokens, textTokens: TEXT });
    const share = (100 * flops) / taken / Math.max(...products);
    const gflop = adapterFlops(config, clip) / 1e9;
    console.log(
      `${tokens} tokens: ${taken.toFixed(2)} s a step, ${gigaflops(flops, taken)}, peak memory ${extra.toFixed(2)} GB; adapter ${adapterSeconds.toFixed(2)} s once (${gflop.toFixed(0)} GFLOP)`,
    );
    if (!options.growth) {
      verdict(
        `${share.toFixed(0)}% of the best product (${gigaflops(Math.max(...products), 1)})`,
        share >= 50,
        'at least 50%',
      );
      const ratio = (PUBLIC_BLOCK_SECONDS * config.num_layers + 3) / taken;
      verdict(`${ratio.toFixed(1)} times the public code's step`, ratio >= 6, 'at least 6');
    }
    for (const t of Object.values(inputs)) t.dispose();
  }
});
