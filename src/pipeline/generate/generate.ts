/** One task on one user's input, from files to frames: window after window, tile after tile. */
import { InputError } from '../../errors.js';
import {
  crossFade,
  type Frames,
  matchColours,
  readImage,
  resizeFrames,
  type Size,
  sliceFrames,
  sourceName,
  transferChroma,
} from '../../media/index.js';
import { resizeHole } from '../../media/mask/resize-mask.js';
import type { ConditionInputs, Target, Task } from '../../tasks/index.js';
import { tidy } from '../../tensor/index.js';
import type { TileWork } from '../cost/work.js';
import type { Pipeline } from '../pipeline.js';
import { expectInputForNoise } from './augment.js';
import { joinFrames } from './clip-window.js';
import { finished } from './finish.js';
import {
  cutPrompts,
  makeWindow,
  type SamplingRequest,
  sampleConditions,
  samplesAtOnce,
} from './make-window.js';
import { type Prepared, prepare } from './prepare.js';
import { prepareAsReference } from './reference/prepare.js';
import { expectParts, type UserRequest } from './request.js';
import { tileGrids, tileWork } from './tiles.js';
import { continued } from './windows.js';

export interface GenerateRequest extends UserRequest, SamplingRequest {
  /** gives other words for the prompt; called when the request is known to be possible */
  rewritePrompt?: (prompt: string) => Promise<string>;
  /** when a window begins */
  onWindow?: (index: number, count: number | null) => void;
}

/** A result whose input is read and fitted; it comes in pieces, in the order of time. */
export interface Result {
  /** as it is made from, rewritten where that was asked for */
  prompt: string;
  /** of the first window */
  given: ConditionInputs;
  /** of the result */
  size: Size;
  /** one window */
  target: Target;
  /** what a window is denoised in; null: in one piece */
  tiles: TileWork | null;
  /** null: the end of the input decides */
  numWindows: number | null;
  /** frames a second, the input's or the pipeline's */
  fps: number;
  /** null: the end of the input decides */
  numFrames: number | null;
  /** file whose sound goes with the frames from the first on */
  audio: string | null;
  /** the input's colours are of full range, as few clips' are: so can the result's be */
  fullRange: boolean;
  /** once; it closes itself at its end */
  pieces: AsyncGenerator<Piece>;
  /** ends the reading of the input; for a result that is not made, or not to its end */
  close(): Promise<void>;
}

export interface Piece {
  frames: Frames;
  /** where part of the frames was known: what the model made of all of it, and what was made */
  filled: { made: Frames; hole: Uint8Array } | null;
}

/**
 * Checks the request, reads the input and fits it; the frames are made as they are taken.
 * @throws InputError for wrong input; the signal's reason when it aborts
 */
export async function startResult(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  expectPossible(pipeline, request);
  const prompt = (await request.rewritePrompt?.(request.prompt)) ?? request.prompt;
  const worded = { ...request, prompt };
  return request.compat ? asReference(pipeline, worded) : inWindows(pipeline, worded);
}

/** @throws InputError for what cannot be made, whatever the files hold */
function expectPossible(pipeline: Pipeline, request: GenerateRequest): void {
  const { task, depth, noiseAugStrength = 0 } = request;
  if (depth && !pipeline.takesDepth) {
    throw new InputError('`depth`: this pipeline has no place for depth; leave it out', {
      field: 'depth',
    });
  }
  expectParts(task, request);
  expectDepthPossible(pipeline, request);
  expectInputForNoise(task, noiseAugStrength);
}

async function inWindows(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  const { task, prompt, signal, onNote } = request;
  const reference =
    request.reference === undefined ? null : await readImage(request.reference, { signal });
  const prepared = await prepare(task, request, pipeline.settingsFor(task));
  for (const note of cutPrompts(pipeline, request)) onNote?.(note);
  const { made, tile, target, numFrames, before, after, ...rest } = prepared;
  const atOnce = tile && samplesAtOnce({ ...target, ...tile });
  const extra = [before, after].reduce((sum, part) => sum + (part?.numFrames ?? 0), 0);
  return {
    prompt,
    given: prepared.first,
    size: prepared.result,
    target,
    tiles: tile && tileWork(tileGrids(made, tile), tile, atOnce!),
    numWindows: rest.numWindows,
    fps: rest.fps,
    audio: rest.audio,
    fullRange: rest.fullRange,
    numFrames: numFrames && numFrames + extra,
    pieces: piecesOf(pipeline, request, prepared, reference),
    close: rest.close,
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
      `${task.id}: this pipeline has no place for depth; name another with \`pipeline\``,
      { field: 'pipeline' },
    );
  }
  if (task.inputs.includes('depth') || depth || estimateDepth) return;
  throw new InputError(
    `${task.id}: needs the depth of ${sourceName(inputs[0]!)}; name a model that tells it with \`depthModel\`, or give it with \`depth: [FILE]\``,
    { field: 'depth' },
  );
}

/** The whole result in memory, and what it was made from. */
export async function generate(
  pipeline: Pipeline,
  request: GenerateRequest,
): Promise<Pick<Result, 'fps' | 'given' | 'target'> & { frames: Frames }> {
  const { fps, given, target, pieces } = await startResult(pipeline, request);
  const parts: Frames[] = [];
  for await (const { frames } of pieces) parts.push(frames);
  return { frames: joinFrames(parts), fps, given, target };
}

async function* piecesOf(
  pipeline: Pipeline,
  request: GenerateRequest,
  prepared: Prepared,
  reference: Frames | null,
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
      const given: ConditionInputs = shared ? continued(task, window.given, shared) : window.given;
      const part = { window: { ...window, given }, index };
      const made: Frames = await makeWindow(pipeline, request, prepared, part);
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
function matchedTo(
  shared: Frames,
  made: Frames,
  task: Task,
  given: ConditionInputs,
  result: Size,
): Frames {
  // colourisation: restore the input's brightness first, then match chroma
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
  { known: [first] }: ConditionInputs,
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

/** One piece by the reference's rules; see reference/layout.ts. */
async function asReference(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  const { task, prompt, seed, onNote, estimateDepth = null } = request;
  const settings = pipeline.settingsFor(task);
  const prepared = await prepareAsReference(task, request, settings, estimateDepth);
  const { given, condition, target, resultSize, fps, finish } = prepared;
  for (const note of cutPrompts(pipeline, request)) onNote?.(note);
  let begun = false;
  async function* pieces(): AsyncGenerator<Piece> {
    begun = true;
    request.onWindow?.(0, 1);
    const work = { task, target, seed, conditions: [condition] };
    const made = await sampleConditions(pipeline, request, work);
    const frames = tidy(() => finish(made));
    made.dispose();
    yield { frames, filled: null };
  }
  const close = async () => {
    // else `sampleConditions` frees them
    if (!begun) for (const tensor of Object.values(condition)) tensor.dispose();
    begun = true;
  };
  return {
    prompt,
    given,
    size: resultSize ?? target,
    target,
    tiles: null,
    numWindows: 1,
    fps,
    numFrames: null,
    audio: null,
    fullRange: false,
    pieces: pieces(),
    close,
  };
}
