/** A step of generate with guidance: time, share of the fastest product, memory beside the plan. */
import { tokensOf } from '../../src/models/latent-grid.js';
import { passBytes, passFlops, textBytes } from '../../src/models/transformer/cost.js';
import { parameterElements } from '../../src/models/transformer/parameters.js';
import { noGrad, tidy } from '../../src/tensor/index.js';
import { matrixPeak } from '../../src/train/cost/peak.js';
import {
  type Context,
  expectRoom,
  gigabytes,
  type Row,
  Skipped,
  taken,
  teraflops,
  timed,
} from './context.js';
import { configOf, type Preset, passInputs, randomTransformer, TEXT } from './networks.js';

const ROWS = 2;
const SIZES = [
  { numFrames: 17, height: 352, width: 640 },
  { numFrames: 97, height: 720, width: 1280 },
];

export function* steps(context: Context): Iterable<Row> {
  const { device, small } = context;
  const peak = matrixPeak('bfloat16', device);
  yield {
    what: 'fastest matrix product, bfloat16',
    figure: teraflops(peak),
    values: { flopsPerSecond: peak },
  };
  for (const preset of ['mfm-2b', 'mfm-8b'] as const) {
    for (const size of small ? [{ numFrames: 5, height: 64, width: 64 }] : SIZES) {
      yield step(preset, size, peak, context);
    }
  }
}

function step(preset: Preset, size: (typeof SIZES)[number], peak: number, context: Context): Row {
  const { device } = context;
  const what = `${preset}, ${size.numFrames}x${size.height}x${size.width}, guidance`;
  const config = configOf(preset, context);
  const parameters = [...parameterElements(config).values()].reduce((a, b) => a + b, 0);
  const work = { rows: ROWS, tokens: tokensOf(size), textTokens: TEXT };
  const planned = 2 * parameters + passBytes(config, work, 2) + textBytes(config, work, 2);
  try {
    expectRoom(device, planned);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    return { what, figure: `skipped: ${error.message}`, values: {} };
  }
  return tidy(() => {
    let seconds = 0;
    let model: ReturnType<typeof randomTransformer> | null = null;
    const bytes = taken(device, () =>
      noGrad(() => {
        model = randomTransformer(config, device);
        model.requiresGrad_(false).eval();
        const { latents, text, pixels, mask, ...rest } = passInputs(
          config,
          { rows: ROWS, ...size },
          device,
        );
        const prepared = tidy(() => ({
          text: model!.prepareText(text),
          condition: model!.prepareCondition(pixels, mask),
          rope: model!.prepareRope(latents),
        }));
        seconds = timed(device, () =>
          tidy(() => void model!.forward(latents, { ...rest, ...prepared })),
        );
      }),
    );
    model!.dispose();
    const flops = passFlops(config, work) / seconds;
    const tokensPerSecond = (ROWS * work.tokens) / seconds;
    return {
      what,
      figure: `${seconds.toFixed(3)} s, ${tokensPerSecond.toFixed(0)} tokens/s, ${((100 * flops) / peak).toFixed(0)} % of the fastest product, ${gigabytes(bytes)} (planned ${gigabytes(planned)})`,
      values: {
        preset,
        seconds,
        tokensPerSecond,
        share: flops / peak,
        bytes: bytes ?? -1,
        planned,
      },
    };
  });
}
