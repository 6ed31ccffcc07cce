/** A training step, forward, backward and AdamW, of a micro-batch at the first two stages of a recipe. */

import { velocityLoss } from '../../src/diffusion/index.js';
import { fromRoot } from '../../src/files/package-root.js';
import { AdamW } from '../../src/optim/index.js';
import { presetShape } from '../../src/pipeline/shape.js';
import { checkpoint, tidy } from '../../src/tensor/index.js';
import { batchesOf, sampleFlops } from '../../src/train/cost/cost.js';
import { memoryOf } from '../../src/train/cost/memory.js';
import { matrixPeak } from '../../src/train/cost/peak.js';
import { trainedNetworks } from '../../src/train/cost/trained-networks.js';
import { pipelineRecipe, type Stage } from '../../src/train/recipe/config.js';
import { readRecipe } from '../../src/train/recipe/read-recipe.js';
import { stagesOf } from '../../src/train/recipe/stages.js';
import { type Context, expectRoom, gigabytes, type Row, Skipped, taken, timed } from './context.js';
import { configOf, type Preset, passInputs, randomTransformer } from './networks.js';

export function* trainSteps(context: Context): Iterable<Row> {
  const peak = matrixPeak('bfloat16', context.device);
  for (const preset of ['mfm-2b', 'mfm-8b'] as const) {
    const recipe = pipelineRecipe(readRecipe(fromRoot(`recipes/${preset}.yaml`)));
    const networks = trainedNetworks(recipe, presetShape(preset), 'bfloat16');
    for (const stage of stagesOf(recipe).slice(0, 2)) {
      const batch = batchesOf(stage).at(-1)!;
      const rows = batch.microSamples ?? batch.samples;
      const own: Stage = { ...stage, sequenceParallel: 1, tokensPerBatch: rows * batch.tokens };
      const { total, frozen } = memoryOf(networks, own, {
        ranks: 1,
        sharding: 'ddp',
        bucketBytes: 0,
      });
      const { split, whole } = sampleFlops(networks, batch.size, own);
      const size = context.small ? { numFrames: 5, height: 64, width: 64 } : batch.size;
      const what = `${preset}, ${stage.name}: ${rows} clips of ${size.numFrames}x${size.height}x${size.width}`;
      // texts and latents are encoded ahead
      const job = { rows: context.small ? 1 : rows, size, planned: total - frozen };
      const flops = rows * (split + whole);
      yield trainStep(preset, what, { ...job, flops, tokens: rows * batch.tokens, peak }, context);
    }
  }
}

interface Job {
  rows: number;
  size: { numFrames: number; height: number; width: number };
  planned: number;
  flops: number;
  tokens: number;
  peak: number;
}

function trainStep(preset: Preset, what: string, job: Job, context: Context): Row {
  const { device, small } = context;
  const { rows, size, planned, peak } = job;
  try {
    if (!small) expectRoom(device, planned);
  } catch (error) {
    if (!(error instanceof Skipped)) throw error;
    return { what, figure: `skipped: ${error.message}`, values: {} };
  }
  return tidy((): Row => {
    const config = configOf(preset, context);
    let seconds = 0;
    const bytes = taken(device, () => {
      const model = randomTransformer(config, device).requiresGrad_(true);
      const optimizer = new AdamW(model.namedParameters());
      const { latents, ...inputs } = passInputs(config, { rows, ...size }, device);
      seconds = timed(
        device,
        () =>
          tidy(() => {
            const velocity = model.predict(latents, { ...inputs, wrapBlock: checkpoint });
            velocityLoss(velocity, latents).backward();
            optimizer.step({ learningRate: 1e-5, clipGradNorm: 1 });
            optimizer.zeroGrad();
          }),
        2,
      );
      optimizer.dispose();
      model.dispose();
    });
    const tokensPerSecond = job.tokens / seconds;
    if (small) return { what, figure: `${seconds.toFixed(2)} s`, values: { preset, seconds } };
    const share = job.flops / seconds / peak;
    return {
      what,
      figure: `${seconds.toFixed(2)} s, ${tokensPerSecond.toFixed(0)} tokens/s, ${(100 * share).toFixed(0)} % of the fastest product, ${gigabytes(bytes)} (planned ${gigabytes(planned)})`,
      values: { preset, seconds, tokensPerSecond, share, bytes: bytes ?? -1, planned },
    };
  });
}
