/**
 * A denoising step of the released models' transformer at full size, with random weights: guidance
 * batch, 17x352x640, bf16. Its time, its speed as a share of the fastest matrix product in the same
 * run, its peak memory.
 *
 *     node --import tsx bench/released.ts --preset mfm-2b
 *
 * With --peer, alternating with a checkout of the public code, run by any Python that can import
 * it: its model with one block, that block alone and its adapter are timed, and its step with all
 * blocks is computed from these. First the outputs of both one-block models are compared, for the
 * same weights and inputs.
 *
 *     node --import tsx bench/released.ts --peer ../MfM --python venv/bin/python
 *
 * With --growth, for 1100 to 17600 tokens, as a table, and with --plot as a picture. --layers
 * limits the blocks, in whose number the cost is linear.
 *
 *     node --import tsx bench/released.ts --layers 2 --growth --plot docs/images/growth.svg
 */
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { adapterFlops, passFlops } from '../src/models/transformer/cost.js';
import { TRANSFORMER_PRESETS, Transformer3D } from '../src/models/transformer/index.js';
import { withParameters } from '../src/nn/index.js';
import { manualSeed, memoryInfo, noGrad, resetPeakMemory, tidy } from '../src/tensor/index.js';
import { type GrowthRow, growthPlot, growthTable, memoryFit } from './growth.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { gigaflops, peakProducts } from './peak.js';
import { PublicStep } from './public-step.js';
import { randomise } from './random-weights.js';
import { prepare, ROWS, release, step, stepInputs, TEXT } from './step.js';

const args = defineArgs({
  options: {
    preset: {
      kind: 'text',
      choices: ['mfm-2b', 'mfm-8b'],
      default: 'mfm-2b',
      describe: 'size of the transformer',
    },
    layers: { kind: 'integer', min: 1, describe: 'blocks (default: all)' },
    steps: { kind: 'integer', min: 1, default: 2, describe: 'timed steps' },
    peer: { kind: 'text', describe: 'checkout of the public code to compare with' },
    python: { kind: 'text', default: '/usr/bin/python3', describe: 'interpreter of the peer' },
    float32: {
      kind: 'flag',
      default: true,
      describe: 'run the peer in float32 too: needs 9 GB more',
    },
    growth: { kind: 'flag', describe: 'for 1100, 2200, 4400, 8800, 17600 tokens' },
    plot: { kind: 'text', describe: 'SVG file for the growth' },
  },
});
const options = parseArgs('released', args, process.argv.slice(2));
const preset = TRANSFORMER_PRESETS[options.preset];
const config = { ...preset, num_layers: options.layers ?? preset.num_layers };
/** Latent frames, height and width of 17x352x640; a token is 2 x 2 latent pixels. */
const RELEASED = [5, 44, 80];
/** Steps of a complete sampling run. */
const SAMPLING = 30;

console.log(machineLine());
manualSeed(0);
const peer = options.peer
  ? await PublicStep.start({
      config: { ...config, num_layers: 1 },
      inputs: stepInputs(RELEASED),
      checkout: options.peer,
      python: options.python,
      dtypes: options.float32 ? ['bfloat16', 'float32'] : ['bfloat16'],
    })
  : null;

const model = withParameters({ dtype: 'bfloat16' }, () => new Transformer3D(config));
model.requiresGrad_(false);
randomise(model);
const parameters = (model.parameterCount() / 1e9).toFixed(2);
console.log(`${options.preset}, ${config.num_layers} blocks: ${parameters} G parameters`);

const peaks = peakProducts();
const products: number[] = [];
const timeProducts = () => {
  for (const { run, flops } of peaks) products.push(flops / secondsOf(run));
};
for (const { run } of peaks) run();

if (options.growth) {
  const shapes = [[5, 22, 40], [5, 44, 40], RELEASED, [10, 44, 80], [20, 44, 80]];
  const rows: GrowthRow[] = [];
  for (const shape of shapes) rows.push(await measure(shape));
  console.log(growthTable(rows));
  const { text, worst } = memoryFit(rows);
  verdict(text, worst <= 0.1, 'linear in tokens, within 10%');
  if (options.plot)
    growthPlot(rows, `${options.preset}, ${config.num_layers} blocks`, options.plot);
} else {
  const { seconds, prepareSeconds } = await measure(RELEASED);
  if (peer) {
    console.log(peer.report(config.num_layers));
    const theirs = peer.stepSeconds(config.num_layers);
    const once = theirs / seconds;
    verdict(
      `a step: ${once.toFixed(1)} times as fast as the public code's`,
      once >= 6,
      'at least 6',
    );
    const whole = (SAMPLING * theirs) / (prepareSeconds + SAMPLING * seconds);
    verdict(`${SAMPLING} steps: ${whole.toFixed(1)} times as fast`, whole >= 8, 'at least 8');
  }
}
peer?.end();

/** Times steps on a clip with latents of `shape`, alternating with matrix products and the peer. */
async function measure(shape: number[]): Promise<GrowthRow> {
  const [f, h, w] = shape as [number, number, number];
  const clip = { frames: 4 * (f - 1) + 1, height: 8 * h, width: 8 * w };
  const tokens = (f * h * w) / 4;
  const inputs = stepInputs(shape);
  const prepareStart = performance.now();
  const prepared = noGrad(() => tidy(() => prepare(model, inputs)));
  const prepareSeconds = (performance.now() - prepareStart) / 1000;
  const run = () => noGrad(() => tidy(() => void step(model, inputs, prepared)));

  if (options.growth) run();
  const before = memoryInfo().usedBytes;
  const seconds: number[] = [];
  let peakBytes = 0;
  for (let i = 0; i < options.steps; i++) {
    timeProducts();
    resetPeakMemory();
    seconds.push(secondsOf(run));
    peakBytes = Math.max(peakBytes, memoryInfo().peakBytes - before);
    await peer?.turn();
  }
  timeProducts();
  release([inputs, prepared]);

  const taken = median(seconds);
  const flops = passFlops(config, { rows: ROWS, tokens, textTokens: TEXT });
  const gigabytes = peakBytes / 1e9;
  const adapter = gigaflops(ROWS * adapterFlops(config, clip), prepareSeconds);
  console.log(
    `${tokens} tokens: ${taken.toFixed(2)} s per step, ${gigaflops(flops, taken)}, peak memory ${gigabytes.toFixed(2)} GB; adapter and text ${prepareSeconds.toFixed(2)} s once (${adapter})`,
  );
  if (!options.growth) {
    const best = Math.max(...products);
    const share = (100 * flops) / taken / best;
    const figure = `${share.toFixed(0)}% of the fastest product (${gigaflops(best, 1)})`;
    verdict(figure, share >= 50, 'at least 50%');
  }
  const size = `${clip.frames}x${clip.height}x${clip.width}`;
  return { tokens, clip: size, seconds: taken, prepareSeconds, gigabytes };
}
