/** Writes a task's inputs to files that `mfm generate` takes. */
import { type DepthMap, type Frames, sliceFrames, writeImage } from '../../../media/index.js';
import type { ConditionInputs, Hole, Known, Task } from '../../../tasks/index.js';
import { fromArray, saveSafetensors, tidy } from '../../../tensor/index.js';
import { writeLossless } from './lossless.js';

export interface GivenFiles {
  inputs: string[];
  mask?: string;
  depth: string[];
  /** of a mixture: what is known, and where */
  known?: PlacedFile[];
}

/** A file at a place of the time line. */
export interface PlacedFile {
  media: string;
  at: number | readonly [first: number, last: number];
  mask?: string;
}

/**
 * Writes the inputs losslessly, so that the command gives the same result.
 *
 * @param stem   beginning of the files' paths
 */
export async function writeGiven(
  task: Pick<Task, 'inputs'>,
  { known, geometry: [geometry] }: ConditionInputs,
  stem: string,
  fps: number,
): Promise<GivenFiles> {
  const files: GivenFiles = { inputs: [], depth: [] };
  const rest = known.map(({ frames }) => frames);
  const path = () => `${stem}-input${files.inputs.length > 0 ? files.inputs.length + 1 : ''}`;
  for (const kind of task.inputs) {
    if (kind === 'depth') files.inputs.push(writeDepth(path(), geometry!.depth!));
    else if (geometry?.frames) {
      files.depth.push(writeDepth(`${stem}-depth`, geometry.depth!));
      files.inputs.push(await writeFrames(path(), geometry.frames, fps));
    } else files.inputs.push(await writeFrames(path(), rest.shift()!, fps));
  }
  // optional inputs
  for (const frames of rest) files.inputs.push(await writeFrames(path(), frames, fps));
  const hole = known[0]?.hole;
  if (hole) files.mask = await writeFrames(`${stem}-mask`, whiteIn(hole, known[0]!.frames), fps);
  return files;
}

/**
 * Writes a mixture's inputs losslessly, each known part and the depth of the whole clip.
 *
 * @param stem   beginning of the files' paths
 */
export async function writePlaced(
  { known, geometry: [geometry] }: ConditionInputs,
  stem: string,
  fps: number,
): Promise<GivenFiles> {
  const parts = known.flatMap((part) => (part.hole ? [part] : single(part)));
  const placed: PlacedFile[] = [];
  for (const { frames, at, hole } of parts) {
    const name = `${stem}-known${placed.length + 1}`;
    const media = await writeFrames(name, frames, fps);
    const place = at.length === 1 ? at[0]! : ([at[0]!, at.at(-1)!] as const);
    const mask = hole ? await writeFrames(`${name}-mask`, whiteIn(hole, frames), fps) : undefined;
    placed.push({ media, at: place, mask });
  }
  const depth = geometry ? [writeDepth(`${stem}-depth`, geometry.depth!)] : [];
  return { inputs: [], depth, known: placed };
}

/** The frames of a part one by one, since they need not follow one another. */
const single = ({ frames, at }: Known): Known[] =>
  at.map((place, i) => ({ frames: sliceFrames(frames, i, i + 1), at: [place], hole: null }));

async function writeFrames(stem: string, frames: Frames, fps: number): Promise<string> {
  const still = frames.numFrames === 1;
  const path = `${stem}.${still ? 'png' : 'mkv'}`;
  if (still) await writeImage(path, sliceFrames(frames, 0, 1));
  else await writeLossless(path, frames, fps);
  return path;
}

function writeDepth(stem: string, { width, height, numFrames, data }: DepthMap): string {
  const path = `${stem}.safetensors`;
  tidy(() => saveSafetensors(path, { depth: fromArray(data, [numFrames, height, width]) }));
  return path;
}

function whiteIn(hole: Hole, { width, height, numFrames }: Frames): Frames {
  const data = new Uint8Array(hole.length * 3);
  hole.forEach((missing, p) => {
    data.fill(Math.round(255 * missing), p * 3, p * 3 + 3);
  });
  return { width, height, numFrames, data };
}
