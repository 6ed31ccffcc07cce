/** Runs one task on a user's input, from files to frames: window by window, tile by tile. */
import { InputError } from '../../errors.js';
import {
  chromaTransfer,
  crossFade,
  type Frames,
  matchColours,
  readImage,
  resizeFrames,
  type Size,
  sliceFrames,
  sourceName,
} from '../../media/index.js';
import { resizeHole } from '../../media/mask/resize-mask.js';
import type { ConditionInputs, Target, Task } from '../../tasks/index.js';
import { tidy } from '../../tensor/index.js';
import type { TileWork } from '../cost/work.js';
import { GET_DEPTH_MODEL } from '../depth-model.js';
import type { Pipeline } from '../pipeline.js';
import { expectInputForNoise } from './augment.js';
import { joinFrames } from './clip-window.js';
import { finished } from './finish.js';
import {
  makeWindow,
  promptNotes,
  type SamplingRequest,
  sampleConditions,
  samplesAtOnce,
} from './make-window.js';
import { type Prepared, prepare } from './prepare.js';
import { prepareAsReference } from './reference/prepare.js';
import { expectParts, givesKnownDepth, type UserRequest, withDepthFrom } from './request.js';
import { tileGrids, tileWork } from './tiles.js';
import { continued } from './windows.js';

export interface GenerateRequest extends UserRequest, SamplingRequest {
  /** rewrites the prompt; called once the request is known to be possible */
  rewritePrompt?: (prompt: string) => Promise<string>;
  /** called when a window begins; `count` is null if the end of the input decides */
  onWindow?: (index: number, count: number | null) => void;
}

/** A result whose input has been read and fitted; its frames come in pieces, in order of time. */
export interface Result {
  /** the prompt in use, rewritten if that was asked for */
  prompt: string;
  /** condition inputs of the first window */
  given: ConditionInputs;
  /** size of the result */
  size: Size;
  /** size and frames of one window */
  target: Target;
  /** the tiles that a window is denoised in; null: in one piece */
  tiles: TileWork | null;
  /** null: the end of the input decides */
  numWindows: number | null;
  /** frames per second, the input's or the pipeline's */
  fps: number;
  /** null: the end of the input decides */
  numFrames: number | null;
  /** file whose sound belongs to the result, from its first frame on */
  audio: string | null;
  /** the input's colours have full range, which few clips have: so the result's can have it too */
  fullRange: boolean;
  /** can be iterated once; closes itself at the end */
  pieces: AsyncGenerator<Piece>;
  /** stops reading the input; needed if `pieces` is not iterated to its end */
  close(): Promise<void>;
}

export interface Piece {
  frames: Frames;
  /** if part of the frames was known: all that the model generated, and the part that was not known */
  filled: { made: Frames; hole: Uint8Array } | null;
}

/**
 * Checks the request, then reads and fits the input; frames are generated as `pieces` is iterated.
 * @throws InputError for wrong input; the signal's reason when it aborts
 */
export async function startResult(pipeline: Pipeline, asked: GenerateRequest): Promise<Result> {
  const request = withDepthFrom(asked.task, asked);
  expectPossible(pipeline, request);
  const prompt = (await request.rewritePrompt?.(request.prompt)) ?? request.prompt;
  const worded = { ...request, prompt };
  return request.compat ? asReference(pipeline, worded) : inWindows(pipeline, worded);
}

/** @throws InputError for a request that is impossible whatever its files hold */
function expectPossible(pipeline: Pipeline, request: GenerateRequest): void {
  const { task, depth, noiseAugStrength = 0 } = request;
  if ((depth || givesKnownDepth(task, request)) && !pipeline.takesDepth) {
    throw new InputError('`depth`: this pipeline takes no depth; leave it out', {
      field: 'depth',
    });
  }
  expectParts(task, request);
  expectDepthPossible(pipeline, request);
  expectInputForNoise(task, noiseAugStrength);
  pipeline.expectSolver(request.solver);
}

async function inWindows(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  const { task, prompt, signal, onNote } = request;
  const reference =
    request.reference === undefined ? null : await readImage(request.reference, { signal });
  for (const note of reference?.notes ?? []) onNote?.(note);
  const prepared = await prepare(task, request, pipeline.settingsFor(task));
  for (const note of promptNotes(pipeline, request)) onNote?.(note);
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

/** @throws InputError if a task needs depth that the pipeline cannot take, or that nothing provides */
function expectDepthPossible(
  { takesDepth }: Pipeline,
  { task, inputs, depth, depthFrom, estimateDepth }: GenerateRequest,
): void {
  if (!task.needs.depth) return;
  if (!takesDepth) {
    throw new InputError(
      `${task.id}: this pipeline takes no depth; name another with \`pipeline\``,
      { field: 'pipeline' },
    );
  }
  const isGiven = task.inputs.includes('depth') && depthFrom === undefined;
  if (isGiven || depth || estimateDepth) return;
  const field = depthFrom === undefined ? 'depth' : 'inputs';
  throw new InputError(
    `${task.id}: needs the depth of ${sourceName(inputs[0]!)}, and there is no depth model; ${GET_DEPTH_MODEL}, or give it with \`${field}: [FILE]\``,
    { field: 'depthModel' },
  );
}

/** Generates a whole result in memory; also returns the condition inputs it was made from. */
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
    let previous: Frames | null = null; // the previous window, before it gets the reference's palette
    let inPalette: ((frames: Frames) => Frames) | null = null;
    for await (const window of prepared.windows()) {
      request.onWindow?.(index, numWindows);
      const { task, kept, overlap } = window;
      const shared: Frames | null = previous && overlap > 0 ? lastFrames(previous, overlap) : null;
      const given: ConditionInputs = shared ? continued(task, window.given, shared) : window.given;
      const part = { window: { ...window, given }, index };
      const made: Frames = await makeWindow(pipeline, request, prepared, part);
      const matched = shared ? matchedTo(shared, made, task, given, result) : made;
      const whole = finished(matched, task, given, result, request);
      if (reference) inPalette ??= chromaTransfer(whole, reference);
      const frames: Frames = sliceFrames(whole, 0, kept);
      // with cross-fading, the frames shared with the next window are held back until it is made
      const fades = task.windows === 'cross-faded';
      const joined: Frames = fades && shared ? fadedIn(shared, frames) : frames;
      const from = fades ? 0 : overlap;
      const to = kept - (fades && !window.last ? prepared.overlap : 0);
      if (to > from) {
        const filled = filledPart(matched, given, result, [from, to]);
        const part = sliceFrames(joined, from, to);
        yield { frames: inPalette ? inPalette(part) : part, filled };
      }
      previous = joined;
      index++;
    }
    if (after) yield bare(after);
  } finally {
    await prepared.close();
  }
}

/** Matches the generated frames' colours to those of the frames shared with the previous window. */
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

/** Cross-fades from the shared frames to the new ones. */
function fadedIn(shared: Frames, frames: Frames): Frames {
  const count = shared.numFrames;
  const start = crossFade(shared, sliceFrames(frames, 0, count));
  if (count === frames.numFrames) return start;
  return joinFrames([start, sliceFrames(frames, count, frames.numFrames)]);
}

function filledPart(
  made: Frames,
  { known: [first, ...others] }: ConditionInputs,
  result: Size,
  [from, to]: [number, number],
): Piece['filled'] {
  // seams are measured where every frame has a hole
  if (!first?.hole || others.length > 0 || first.at.length < made.numFrames) return null;
  const hole = resizeHole(first.hole, first.frames, result);
  const plane = result.width * result.height;
  return {
    made: sliceFrames(resizeFrames(made, result), from, to),
    hole: Uint8Array.from(hole.subarray(from * plane, to * plane), (share) => (share > 0 ? 1 : 0)),
  };
}

/** A result in one piece, by the reference's rules; see reference/layout.ts. */
async function asReference(pipeline: Pipeline, request: GenerateRequest): Promise<Result> {
  const { task, prompt, seed, onNote, estimateDepth = null } = request;
  const settings = pipeline.settingsFor(task);
  const prepared = await prepareAsReference(task, request, settings, estimateDepth);
  const { given, condition, target, resultSize, fps, finish } = prepared;
  for (const note of promptNotes(pipeline, request)) onNote?.(note);
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
    // once begun, `sampleConditions` frees them
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
