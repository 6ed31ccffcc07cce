/** One task on one user's input, from files to frames: window after window, tile after tile. */
import { customSigmas, type SolverName } from '../diffusion/index.js';
import { InputError } from '../errors.js';
import {
  crossFade,
  type Frames,
  matchColours,
  readImage,
  resizeFrames,
  type Size,
  sliceFrames,
  tensorToFrames,
  transferChroma,
} from '../media/index.js';
import {
  type Condition,
  conditionOf,
  type DepthEstimator,
  type Given,
  type Target,
  type Task,
} from '../tasks/index.js';
import { type Tensor, tidy } from '../tensor/index.js';
import { expectInputForNoise, withNoise } from './augment.js';
import { joinFrames } from './clip-window.js';
import { finished, resizeHole } from './finish.js';
import { latentFrames } from './latents.js';
import type { OnProgress, Pipeline, SampleRequest } from './pipeline.js';
import { type Prepared, prepare, type Window } from './prepare.js';
import { prepareAsReference } from './prepare-reference.js';
import { expectParts, type UserRequest } from './request.js';
import { givenOfTile, sizedGiven, TileSum, tilesOf } from './tiles.js';
import { continued } from './windows.js';

export interface GenerateRequest extends UserRequest {
  task: Task;
  seed: number;
  /** what the depth of known frames is told from; default: nothing, they have none */
  estimateDepth?: DepthEstimator | null;
  /** defaults: the pipeline's settings */
  addedPrompt?: string;
  negativePrompt?: string;
  numInferenceSteps?: number;
  guidanceScale?: number;
  motionScore?: number;
  solver?: SolverName;
  /** the reference's other noise levels, denser where there is much noise; see `customSigmas` */
  useTSchedule?: boolean;
  /** see `SampleRequest` */
  guidanceRange?: readonly [number, number];
  cacheThreshold?: number;
  /** of the noise on what is given, 0..1; default: 0; see `withNoise` */
  noiseAugStrength?: number;
  /** before memory is taken for it; what it throws ends the job (with `compat` a little later) */
  onFitted?: (fitted: Fitted) => void | Promise<void>;
  /** when a window begins */
  onWindow?: (index: number, count: number | null) => void;
  /** when tiles of a window are done */
  onTiles?: (done: number, total: number) => void;
  onStep?: SampleRequest['onStep'];
  onProgress?: OnProgress;
}

/** What was read, and what it is fitted to. */
export interface Fitted {
  given: Given;
  /** what is made at once */
  target: Target;
  /** such are made together */
  samples: number;
  /** times that many are made; null: told when the input ends */
  rounds: number | null;
  notes: string[];
}

/** A result that comes in pieces, in the order of time. */
export interface Result {
  fps: number;
  /** null: told when the input ends */
  numFrames: number | null;
  /** file whose sound goes with the frames from the first on */
  audio: string | null;
  /** the input's colours are of full range, as few clips' are: so can the result's be */
  fullRange: boolean;
  /** what there is to say, a line each; more may come with the pieces */
  notes: string[];
  pieces: AsyncGenerator<Piece>;
}

export interface Piece {
  frames: Frames;
  /** where part of the frames was known: what the model made of all of it, and what was made */
  filled: { made: Frames; hole: Uint8Array } | null;
}

/**
 * Reads the input and fits it; the frames are made as they are taken.
 * @throws InputError for wrong input; the signal's reason when it aborts
 */
export async function startResult(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  const { task } = request;
  if (request.depth && !pipeline.takesDepth) {
    throw new InputError('--depth: this pipeline has no place for depth; leave it out');
  }
  expectParts(task, request);
  expectDepthPossible(pipeline, request);
  expectInputForNoise(task, request.noiseAugStrength ?? 0);
  if (request.compat) return asReference(pipeline, request);
  const { signal } = request;
  const reference =
    request.reference === undefined ? null : await readImage(request.reference, { signal });
  const prepared = await prepare(task, request, pipeline.settingsFor(task));
  const { made, tile, fps, numFrames, audio, fullRange, notes, before, after } = prepared;
  const tiles = tile ? tilesOf(made, tile) : null;
  const atOnce = { ...prepared.target, ...tile };
  const samples = tiles ? Math.min(tiles.length, samplesAtOnce(atOnce)) : 1;
  const { numWindows } = prepared;
  try {
    await request.onFitted?.({
      ...{ given: prepared.first, target: atOnce, samples, notes },
      rounds: numWindows && numWindows * Math.ceil((tiles?.length ?? 1) / samples),
    });
  } catch (error) {
    await prepared.close();
    throw error;
  }
  const extra = [before, after].reduce((sum, part) => sum + (part?.numFrames ?? 0), 0);
  return {
    ...{ fps, audio, fullRange, notes },
    numFrames: numFrames && numFrames + extra,
    pieces: piecesOf(pipeline, request, prepared, { samples, reference }),
  };
}

/** @throws InputError where a task lives on depth that the pipeline cannot take, or nobody tells */
function expectDepthPossible(
  { takesDepth }: Pipeline,
  { task, inputs, depth, estimateDepth }: GenerateRequest,
): void {
  if (!task.needs.depth) return;
  if (!takesDepth) {
    throw new InputError(
      `${task.id}: this pipeline has no place for depth; name another with --pipeline`,
    );
  }
  if (task.inputs.includes('depth') || depth || estimateDepth) return;
  throw new InputError(
    `${task.id}: needs the depth of ${inputs[0]}; name a model that tells it with --depth-model, or give it with --depth FILE`,
  );
}

/** The whole result in memory. */
export async function generate(
  pipeline: Pipeline,
  request: GenerateRequest,
): Promise<{ frames: Frames; fps: number }> {
  const { fps, pieces } = await startResult(pipeline, request);
  const parts: Frames[] = [];
  for await (const { frames } of pieces) parts.push(frames);
  return { frames: joinFrames(parts), fps };
}

async function* piecesOf(
  pipeline: Pipeline,
  request: GenerateRequest,
  prepared: Prepared,
  { samples, reference }: { samples: number; reference: Frames | null },
): AsyncGenerator<Piece> {
  const { result, before, after, numWindows } = prepared;
  const bare = (frames: Frames): Piece => ({ frames: resizeFrames(frames, result), filled: null });
  try {
    if (before) yield bare(before);
    let index = 0;
    let previous: Frames | null = null; // the window before, as it is in the result
    for await (const window of prepared.windows()) {
      request.onWindow?.(index, numWindows);
      const { task, kept, overlap } = window;
      const shared: Frames | null = previous && overlap > 0 ? lastFrames(previous, overlap) : null;
      const given: Given = shared ? continued(task, window.given, shared) : window.given;
      const made: Frames = await makeWindow(pipeline, request, prepared, {
        ...{ window: { ...window, given }, samples, index },
      });
      const matched = shared ? matchedTo(shared, made, task, given, result) : made;
      const whole = finished(matched, task, given, result, request);
      const coloured = reference ? transferChroma(whole, reference) : whole;
      const frames: Frames = sliceFrames(coloured, 0, kept);
      // where windows are faded into one another, what the next one shares waits for it
      const fades = task.windows === 'cross-faded';
      const joined: Frames = fades && shared ? fadedIn(shared, frames) : frames;
      const from = fades ? 0 : overlap;
      const to = kept - (fades && !window.last ? prepared.overlap : 0);
      if (to > from) {
        const filled = filledPart(matched, given, result, [from, to]);
        yield { frames: sliceFrames(joined, from, to), filled };
      }
      previous = joined;
      index++;
    }
    if (after) yield bare(after);
  } finally {
    await prepared.close();
  }
}

/** What was made, in the colours that its first frames have in the window before. */
function matchedTo(shared: Frames, made: Frames, task: Task, given: Given, result: Size): Frames {
  // of what takes its brightness from elsewhere that is not to be matched again
  const own = task.keeps === 'brightness' ? finished(made, task, given, result) : made;
  const from = sliceFrames(own, 0, shared.numFrames);
  return matchColours(own, { from, to: resizeFrames(shared, own) });
}

const lastFrames = (frames: Frames, count: number): Frames =>
  sliceFrames(frames, frames.numFrames - count, frames.numFrames);

/** The shared frames become the new ones over their length. */
function fadedIn(shared: Frames, frames: Frames): Frames {
  const count = shared.numFrames;
  const start = crossFade(shared, sliceFrames(frames, 0, count));
  if (count === frames.numFrames) return start;
  return joinFrames([start, sliceFrames(frames, count, frames.numFrames)]);
}

function filledPart(
  made: Frames,
  { known: [first] }: Given,
  result: Size,
  [from, to]: [number, number],
): Piece['filled'] {
  if (!first?.hole) return null;
  const hole = resizeHole(first.hole, first.frames, result);
  const plane = result.width * result.height;
  return {
    made: sliceFrames(resizeFrames(made, result), from, to),
    hole: hole.subarray(from * plane, to * plane),
  };
}

interface WindowWork {
  window: Window;
  /** tiles made together */
  samples: number;
  index: number;
}

/** The frames of a window, at the size that is made. */
async function makeWindow(
  pipeline: Pipeline,
  request: GenerateRequest,
  { made, tile }: Prepared,
  { window, samples, index }: WindowWork,
): Promise<Frames> {
  const { task, given, numFrames } = window;
  // one window's tiles draw from seeds that follow one another, and no other window's
  const seed = (request.seed + index * SEEDS_OF_WINDOW) % 2 ** 32;
  if (!tile) {
    const target = { ...made, numFrames };
    const [frames] = await makeSamples(pipeline, request, { task, target, seed, givens: [given] });
    return frames!;
  }
  const target = { ...tile, numFrames };
  const places = tilesOf(made, tile);
  const whole = sizedGiven(given, made);
  const sum = new TileSum({ ...made, numFrames });
  for (let first = 0; first < places.length; first += samples) {
    const batch = places.slice(first, first + samples);
    const givens = batch.map((place) => givenOfTile(whole, place, tile));
    const work = { task, target, seed: seed + first, givens };
    const frames = await makeSamples(pipeline, request, work);
    batch.forEach((place, i) => {
      sum.add(place, frames[i]!);
    });
    request.onTiles?.(first + batch.length, places.length);
  }
  return sum.result();
}

/** Apart from each other by more than a window has tiles. */
const SEEDS_OF_WINDOW = 100_003;

/** Tokens that are made together, where there is a choice: enough to fill a processor. */
const TOKENS_AT_ONCE = 2048;

function samplesAtOnce({ width, height, numFrames }: Target): number {
  const tokens = (width / 16) * (height / 16) * latentFrames(numFrames);
  return Math.max(1, Math.floor(TOKENS_AT_ONCE / tokens));
}

interface SampleWork {
  task: Task;
  target: Target;
  seed: number;
  givens: Given[];
}

/** Samples of one size, made together. */
async function makeSamples(
  pipeline: Pipeline,
  request: GenerateRequest,
  { task, target, seed, givens }: SampleWork,
): Promise<Frames[]> {
  const { estimateDepth = null } = request;
  const conditions = givens.map((given) => conditionOf(given, target, estimateDepth));
  const made = await sampleConditions(pipeline, request, { task, target, seed, conditions });
  const frames = givens.map((_, i) => tidy(() => tensorToFrames(made.narrow(0, i, 1))));
  made.dispose();
  return frames;
}

/** Samples the conditions and disposes them; → [B, 3, F, H, W] */
async function sampleConditions(
  pipeline: Pipeline,
  request: GenerateRequest,
  { task, target, seed, conditions }: Omit<SampleWork, 'givens'> & { conditions: Condition[] },
): Promise<Tensor> {
  const { prompt, noiseAugStrength: strength = 0, onStep, onProgress, signal } = request;
  const settings = pipeline.settingsFor(request.task);
  const added = request.addedPrompt ?? settings.addedPrompt;
  const seen =
    strength > 0
      ? conditions.map((condition, i) => withNoise(condition, { strength, seed: seed + i }))
      : conditions;
  try {
    return await pipeline.sample({
      task,
      prompts: seen.map(() => [prompt, added].filter(Boolean).join(' ')),
      negativePrompt: request.negativePrompt ?? settings.negativePrompt,
      conditions: seen,
      target,
      numInferenceSteps: request.numInferenceSteps ?? settings.numInferenceSteps,
      sigmas: ownSigmas(request, settings),
      guidanceScale: request.guidanceScale ?? settings.guidanceScale,
      motionScore: request.motionScore ?? settings.motionScore,
      solver: request.solver,
      guidanceRange: request.guidanceRange,
      cacheThreshold: request.cacheThreshold,
      ...{ seed, onStep, onProgress, signal },
    });
  } finally {
    for (const { pixels, depth, mask } of new Set([...conditions, ...seen])) {
      for (const tensor of [pixels, depth, mask]) tensor.dispose();
    }
  }
}

/** One piece by the reference's rules; see reference.ts. */
async function asReference(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  const { task, seed, estimateDepth = null } = request;
  const settings = pipeline.settingsFor(task);
  const { given, condition, target, fps, notes, finish } = await prepareAsReference(
    ...([task, request, settings, estimateDepth] as const),
  );
  await request.onFitted?.({ given, target, samples: 1, rounds: 1, notes });
  async function* pieces(): AsyncGenerator<Piece> {
    const work = { task, target, seed, conditions: [condition] };
    const made = await sampleConditions(pipeline, request, work);
    const frames = tidy(() => finish(made));
    made.dispose();
    yield { frames, filled: null };
  }
  return { fps, numFrames: null, audio: null, fullRange: false, notes, pieces: pieces() };
}

/**
 * The noise levels of a request with `useTSchedule`, else undefined. They lack their last, 0: every
 * schedule ends there, and a step from 0 to 0 is none.
 */
export function ownSigmas(
  { useTSchedule, numInferenceSteps }: Pick<GenerateRequest, 'useTSchedule' | 'numInferenceSteps'>,
  settings: { numInferenceSteps: number },
): number[] | undefined {
  if (!useTSchedule) return undefined;
  return customSigmas(numInferenceSteps ?? settings.numInferenceSteps).filter((sigma) => sigma > 0);
}
