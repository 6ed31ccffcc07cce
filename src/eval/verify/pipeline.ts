/**
 * Verifies whole pipelines: from input files and a prompt to frames, against the reference. A
 * folder holds `cases/`, `inputs/` and the pipeline's own folder.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { customSigmas, schedule } from '../../diffusion/index.js';
import { InputError } from '../../errors.js';
import { type Frames, grayOf, readImage, resize, tensorToFrames } from '../../media/index.js';
import { type DepthModel, depthAtSize, openDepthModel } from '../../models/depth-anything/index.js';
import { type ReferencePlan, referencePlan } from '../../pipeline/generate/reference/layout.js';
import type { CropType } from '../../pipeline/generate/request.js';
import { openPipeline, type Pipeline } from '../../pipeline/index.js';
import {
  type DepthEstimator,
  TASKS,
  type Task,
  type TaskId,
  taggedPrompt,
} from '../../tasks/index.js';
import { cat, noGrad, openSafetensors, type Tensor } from '../../tensor/index.js';
import { type Fixture, type Limit, openFixture, pipelineOf, readSideCar, row } from './fixture.js';
import type { VerifyRow } from './types.js';

interface PipelineCase {
  case: string;
  task: TaskId;
  file: string;
  cli: {
    prompt: string;
    added_prompt: string | null;
    negative_prompt: string;
    input: string | null;
    mask: string | null;
    height: number;
    width: number;
    num_frames: number;
    num_inference_steps: number;
    guidance_scale: number;
    motion_score: number;
    crop_type: CropType;
    upscale: number;
    use_t_schedule: boolean;
    noise_aug_strength: number;
  };
  pipeline_only: { trans_nums: number[]; default_num_frames: number };
  final: { frames_height_width: number[] };
  tensors: Record<string, unknown>;
}

const EXACT: Limit = { tolerance: 0, measure: 'exact' };
/** Tolerances for float32 pipelines. Source: the README of the fixtures */
const LIMITS: Record<string, Limit> = {
  input_ids: EXACT,
  attention_mask: EXACT,
  'images_cond_rgb.frames': EXACT,
  'depth_cond.frames': EXACT,
  'masks_cond.frames': EXACT,
  images_cond_rgb: { tolerance: 1e-5, measure: 'max abs' },
  masks_cond: { tolerance: 1e-5, measure: 'max abs' },
  images_cond_cfg: { tolerance: 1e-4, measure: 'max abs / max' },
  masks_cond_cfg: { tolerance: 1e-5, measure: 'max abs' },
  prompt_embeds: { tolerance: 1e-4, measure: 'max abs / std' },
  depth_cond: { tolerance: 1e-4, measure: 'max abs / max' },
  depth_pixel_values: { tolerance: 1e-4, measure: 'max abs / max' },
  depth_predicted: { tolerance: 1e-4, measure: 'max abs / max' },
  depth_postprocessed: { tolerance: 1e-4, measure: 'max abs / max' },
  sigmas: { tolerance: 2e-7, measure: 'max abs' },
  timesteps: { tolerance: 2e-4, measure: 'max abs' },
  noise_pred: { tolerance: 3e-4, measure: 'max abs / std' },
  latents: { tolerance: 3e-4, measure: 'max abs / std' },
  latents_final: { tolerance: 3e-4, measure: 'max abs / std' },
  video: { tolerance: 1e-3, measure: 'max abs / std' },
  video_decoded: { tolerance: 1e-3, measure: 'max abs / std' },
  frames_pre: { tolerance: 1e-6, measure: 'max abs' },
  frames_post: { tolerance: 1e-6, measure: 'max abs' },
  final_u8: { tolerance: 1, measure: 'max abs' },
};

/** Tensors that are inputs, not results. */
const INPUTS = new Set(['latents_init']);

/** Runs every case of a folder. */
export async function* verifyPipeline(folder: string, device: string): AsyncIterable<VerifyRow> {
  const name = pipelineOf(folder, readdirSync(folder))!;
  const pipeline = openPipeline(join(folder, name), { dtype: 'float32', device });
  const depthFolder = join(folder, name, 'depth');
  const depth = existsSync(depthFolder)
    ? openDepthModel(depthFolder, { dtype: 'float32', device })
    : null;
  const files = readdirSync(join(folder, 'cases')).sort();
  const cases = files.filter((file) => file.endsWith('.json'));
  const known = new Set(cases.flatMap((file) => [file, file.replace('.json', '.safetensors')]));
  const stray = files.filter((file) => !known.has(file));
  if (stray.length > 0) {
    throw new InputError(`${folder}/cases: every file must be a case's, got ${stray.join(', ')}`);
  }
  for (const file of cases) {
    const sideCar = readSideCar<PipelineCase>(join(folder, 'cases'), file);
    yield* await verifyCase(folder, { pipeline, depth }, sideCar);
  }
  pipeline.dispose();
  depth?.network.dispose();
}

interface Models {
  pipeline: Pipeline;
  depth: DepthModel | null;
}

async function verifyCase(
  folder: string,
  models: Models,
  sideCar: PipelineCase,
): Promise<VerifyRow[]> {
  const file = openFixture(join(folder, 'cases'), sideCar.file, 'cpu');
  const made = await compute(folder, models, sideCar, file);
  return Object.keys(sideCar.tensors)
    .filter((key) => !INPUTS.has(key))
    .map((key) => {
      const limit = LIMITS[key];
      if (!limit) throw new InputError(`${sideCar.file}: no such tensor of a case: ${key}`);
      return row(sideCar.case, key, made.get(key) ?? [], file.get(key), limit);
    });
}

async function compute(
  folder: string,
  { pipeline, depth }: Models,
  { task: id, cli, pipeline_only, final }: PipelineCase,
  file: Fixture,
): Promise<Map<string, Tensor | number[]>> {
  const task: Task = TASKS[id];
  const media = await readInputs(folder, cli.input);
  const [maskFrames] = await readInputs(folder, cli.mask);
  const mask = maskFrames ? { ...maskFrames, path: cli.mask!, data: grayBytes(maskFrames) } : null;
  const results = new Map<string, Tensor | number[]>();
  const guided = cli.guidance_scale > 1;

  const plan = referencePlan(
    task,
    { media, mask },
    {
      width: cli.width,
      height: cli.height,
      numFrames: cli.num_frames,
      defaultNumFrames: pipeline_only.default_num_frames,
      cropType: cli.crop_type,
      upscale: cli.upscale,
      joints: pipeline_only.trans_nums.length > 0 ? pipeline_only.trans_nums : undefined,
    },
    depth && recordingDepth(depth, results),
  );
  recordCondition(results, plan, file, guided);

  // text
  const prompt = [cli.prompt, cli.added_prompt].filter(Boolean).join(' ');
  const prompts = guided
    ? [cli.negative_prompt, taggedPrompt(prompt, task)]
    : [taggedPrompt(prompt, task)];
  noGrad(() => {
    const { inputIds, attentionMask } = pipeline.tokenizer.encodeBatch(prompts);
    results.set('input_ids', inputIds).set('attention_mask', attentionMask);
    results.set('prompt_embeds', pipeline.encodePrompts(prompts).states);
  });

  // sampling
  const steps = cli.num_inference_steps;
  const own = cli.use_t_schedule ? customSigmas(steps) : undefined;
  const { sigmas, timesteps } = schedule(pipeline.scheduler, {
    numInferenceSteps: steps,
    sigmas: own,
  });
  results.set('sigmas', sigmas).set('timesteps', timesteps);
  const [velocities, states]: Tensor[][] = [[], []];
  const latents = await pipeline.denoise({
    task,
    prompts: [prompt],
    negativePrompt: cli.negative_prompt,
    conditions: [plan.condition],
    target: plan.target,
    numInferenceSteps: steps,
    guidanceScale: cli.guidance_scale,
    motionScore: cli.motion_score,
    seed: 0,
    sigmas: own,
    latents: file.get('latents_init'),
    onStep: (_step, _total, state) => {
      velocities!.push(state.velocity.clone().keep());
      states!.push(state.latents.clone().keep());
    },
  });
  results.set('noise_pred', cat(velocities!)).set('latents', cat(states!));
  results.set('latents_final', latents);

  // frames
  const decoded = await pipeline.decode(latents, { surplus: true });
  results.set('video_decoded', decoded);
  const { resultSize } = plan;
  results.set('video', resultSize ? resize(decoded, resultSize, { mode: 'nearest' }) : decoded);
  if (plan.before) results.set('frames_pre', plan.before);
  if (plan.after) results.set('frames_post', plan.after);
  const [numFrames] = final.frames_height_width;
  const video = results.get('video') as Tensor;
  const last = video.narrow(
    2,
    video.size(2) - Math.min(numFrames!, video.size(2)),
    Math.min(numFrames!, video.size(2)),
  );
  results.set('final_u8', [...tensorToFrames(last.contiguous()).data]);
  return results;
}

/** Estimates depth as `estimateDepth` does, and records the intermediate tensors. */
function recordingDepth(
  { network, processor }: DepthModel,
  results: Map<string, Tensor | number[]>,
): DepthEstimator {
  const add = (key: string, value: Tensor) => {
    const before = results.get(key) as Tensor | undefined;
    results.set(key, (before ? cat([before, value]) : value).keep());
  };
  return (frames) =>
    noGrad(() => {
      const pixelValues = processor.pixelValues(frames);
      const predicted = network.forward(pixelValues.to(network.device)).to('cpu');
      const resized = depthAtSize(predicted, frames);
      add('depth_pixel_values', pixelValues);
      add('depth_predicted', predicted);
      add('depth_postprocessed', resized);
      return resized;
    });
}

/** Records the condition before it is doubled for guidance and, if the fixture has it, afterwards. */
function recordCondition(
  results: Map<string, Tensor | number[]>,
  { condition, target }: ReferencePlan,
  file: Fixture,
  guided: boolean,
): void {
  const { pixels, depth, mask } = condition;
  for (const [name, tensor] of [
    ['images_cond_rgb', pixels],
    ['depth_cond', depth],
    ['masks_cond', mask],
  ] as const) {
    const filled: number[] = [];
    for (let i = 0; i < target.numFrames; i++) {
      if (tensor.narrow(2, i, 1).abs().amax().item() > 0) filled.push(i);
    }
    results.set(`${name}.frames`, filled);
    if (filled.length > 0) {
      results.set(
        name,
        cat(
          filled.map((i) => tensor.narrow(2, i, 1)),
          2,
        ),
      );
    }
  }
  if (!file.has('images_cond_cfg')) return;
  const rows = guided ? [depth.zerosLike(), depth] : [depth];
  results.set('images_cond_cfg', cat(rows.map((d) => cat([pixels, d], 1))));
  results.set('masks_cond_cfg', cat(rows.map(() => mask)));
}

/** A mask's frames in gray as in Pillow's mode L, [F, H, W]. */
function grayBytes({ data }: Frames): Uint8Array {
  return Uint8Array.from({ length: data.length / 3 }, (_, i) =>
    grayOf(data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!),
  );
}

/** Reads `a.png;b.png`: pictures, or clips stored as tensors. */
async function readInputs(folder: string, paths: string | null): Promise<Frames[]> {
  const read = async (name: string): Promise<Frames> => {
    const path = join(folder, name);
    if (!path.endsWith('.safetensors')) return readImage(path);
    const frames = openSafetensors(path).get('frames'); // [T, H, W, 3]
    const [numFrames, height, width] = frames.dims(4);
    return {
      numFrames: numFrames!,
      height: height!,
      width: width!,
      data: frames.toArray() as Uint8Array,
    };
  };
  return Promise.all((paths ?? '').split(';').filter(Boolean).map(read));
}
