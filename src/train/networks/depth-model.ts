/** Trains a depth model on drawn scenes, whose depth is exact. */
import { contactSheet, type SheetRow } from '../../media/index.js';
import {
  DepthAnything,
  depthLoss,
  initialiseDepthAnything,
  saveDepthModel,
} from '../../models/depth-anything/index.js';
import { type DType, manualSeed, stack, type Tensor, upload } from '../../tensor/index.js';
import { type PictureBatch, Pictures } from '../feed/depth/feed.js';
import { type StepContext, trainLoop } from '../loop/loop.js';
import { addFigures, type StepOutcome } from '../loop/means.js';
import { keptForStep, type Sent } from '../loop/source.js';
import type { DepthModelPlan, Recipe } from '../recipe/config.js';
import { depthConfigOf } from '../recipe/networks.js';
import type { PartContext } from './context.js';
import {
  type DepthTrainee,
  depthFigures,
  depthRows,
  pixelsOf,
  traineeOf,
  wantedDepth,
} from './depth-figures.js';

/** Folder of the depth model in the run folder. */
export const DEPTH_FOLDER = 'depth_model';

/** The kinds of held-out pictures, and what follows the names of their figures. */
const KINDS = [
  ['plain', ''],
  ['look', '-look'],
] as const;
/** Number of held-out pictures of each kind that are measured, and shown. */
const [MEASURED, SHOWN] = [48, 6];

export interface DepthContext extends Omit<PartContext, 'data' | 'recipe'> {
  recipe: Recipe;
  /** number of threads that draw pictures */
  workers?: number;
}

/**
 * Trains a depth model and writes its folder into the run folder.
 * @returns false if the signal stopped it
 */
export async function trainDepthModel(
  plan: DepthModelPlan,
  context: DepthContext,
  dtype: DType,
): Promise<boolean> {
  const { recipe, run, report, signal, workers, device } = context;
  const { seed } = recipe;
  const { parallel } = run;
  const first = parallel.rank === 0;
  const trainee = traineeOf(buildDepthModel(recipe, plan, dtype, device), plan);
  const onSkip = (reason: string) => report.log(`${reason}; the photo is left out`);
  const pictures = await Pictures.open({ plan, seed, workers, onSkip, world: parallel });
  const kinds = recipe.validationSamples > 0 ? KINDS : [];
  const heldOut = new Map<string, PictureBatch>();
  const heldOutOf = async (kind: 'plain' | 'look') => {
    const batch = heldOut.get(kind) ?? (await pictures.heldOut(kind, MEASURED));
    heldOut.set(kind, batch);
    return batch;
  };
  const save = () => {
    const { network, processor } = trainee;
    const parts = { network, processor: processor.config };
    saveDepthModel(run.path(DEPTH_FOLDER), parts, 'bfloat16');
  };
  try {
    const finished = await trainLoop<PictureBatch, SentPictures>({
      part: 'depthModel',
      run,
      stages: [plan],
      seed,
      parameters: trainedParameters(trainee.network),
      open: async (_, position) => pictures.batchesFrom((position as number | null) ?? 0),
      train: (batch, { backward, sent }) => depthStep(trainee, batch, plan, { backward, sent }),
      send(batch) {
        if (batch.pictures.length === 0) return null;
        const sent = sendPictures(trainee, batch);
        return { ...sent, ...keptForStep(Object.values(sent)) };
      },
      async validate(_, __, tell) {
        const figures: StepOutcome['figures'] = {};
        for (const [i, [kind, suffix]] of first ? kinds.entries() : []) {
          tell(i, kinds.length);
          addFigures(figures, depthFigures(trainee, await heldOutOf(kind), suffix));
        }
        return figures;
      },
      async sample(_, step) {
        if (!first) return {};
        run.unlessFull(save);
        const path = run.path('samples', `depth-${String(step).padStart(6, '0')}.png`);
        const rows: SheetRow[] = [];
        for (const [kind] of kinds) rows.push(...depthRows(trainee, await heldOutOf(kind), SHOWN));
        if (rows.length === 0) return {};
        await contactSheet(rows, path, { columns: ['held out', 'estimated', 'true'], scale: 1 });
        run.logSheet('samples', path, step);
        return {};
      },
      report,
      signal,
    });
    if (finished) await parallel.together(() => (first ? save() : undefined));
    return finished;
  } finally {
    await pictures.close();
    trainee.network.dispose();
  }
}

export function buildDepthModel(
  recipe: Recipe,
  plan: DepthModelPlan,
  dtype: DType,
  device = 'cpu',
): DepthAnything {
  manualSeed(recipe.seed);
  return initialiseDepthAnything(new DepthAnything(depthConfigOf(plan))).moveTo(device, dtype);
}

const sendPictures = (trainee: DepthTrainee, batch: PictureBatch) => ({
  pixels: pixelsOf(trainee, batch),
  wanted: upload(wantedDepth(batch), trainee.network.device),
});
type SentPictures = ReturnType<typeof sendPictures> & Sent;

/** Forward and backward pass of this process's pictures. */
function depthStep(
  trainee: DepthTrainee,
  batch: PictureBatch,
  { gradientWeight: gradient, levelWeight: level }: DepthModelPlan,
  { backward, sent }: Pick<StepContext<SentPictures>, 'backward' | 'sent'>,
): StepOutcome {
  const { count, pictures } = batch;
  const samples = pictures.length;
  if (samples === 0) {
    backward(null, true);
    return { samples, count, figures: {} };
  }
  const weights = { gradient, level };
  const { pixels, wanted } = sent ?? sendPictures(trainee, batch);
  const {
    loss,
    invariant,
    gradient: steps,
    level: mean,
  } = depthLoss(trainee.network.forward(pixels), wanted, weights);
  backward(loss.mul(samples / count), true);
  const named = {
    loss,
    'loss/invariant': invariant,
    'loss/gradient': steps,
    'loss/level': mean,
  };
  return {
    samples,
    count,
    figures: {},
    measured: {
      values: stack(Object.values(named).map((one) => one.detach())),
      figures: (values) =>
        Object.fromEntries(
          Object.keys(named).map((name, i) => [
            name,
            { sum: values[i]! * samples, count: samples },
          ]),
        ),
    },
  };
}

/** All parameters but those that published files have and no map passes through, see `Fusion`. */
function trainedParameters(network: DepthAnything): Map<string, Tensor> {
  const unused = 'neck.fusion_stage.layers.0.residual_layer1.';
  return new Map([...network.namedParameters()].filter(([name]) => !name.startsWith(unused)));
}
