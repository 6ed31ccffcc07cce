/**
 * What a training sample gives a task, as files that a user would bring: so that the condition of
 * use can be compared with that of training.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseDepth, parseKnown } from '../../src/cli/commands/generate/placed-options.js';
import { type DepthMap, type Frames, sliceFrames, writeImage } from '../../src/media/index.js';
import type { DepthPart, KnownPart } from '../../src/pipeline/generate/placed.js';
import { prepare } from '../../src/pipeline/generate/prepare.js';
import type { UserRequest } from '../../src/pipeline/generate/request.js';
import { PipelineSettings, settingsFor } from '../../src/pipeline/settings.js';
import {
  type Condition,
  type ConditionInputs,
  conditionOf,
  type DepthRules,
  geometryWhere,
  type Hole,
  knownWhere,
  type Target,
  type Task,
} from '../../src/tasks/index.js';
import { fromArray, saveSafetensors } from '../../src/tensor/index.js';

/** Files as options of the command line name them. */
export type GivenFiles = Required<Pick<UserRequest, 'inputs' | 'depth'>> &
  Pick<UserRequest, 'known'> & { mask?: { file: string } };

/**
 * Writes the given parts into a folder: pictures as PNG, clips as folders of them, a hole as a mask
 * that is white in it, depth as safetensors.
 */
export async function writeGiven(
  task: Task,
  given: ConditionInputs,
  folder: string,
): Promise<GivenFiles> {
  mkdirSync(folder, { recursive: true });
  if (task.placed) return writePlaced(given, folder);
  const {
    geometry: [geometry],
    known,
  } = given;
  const rest = known.map(({ frames }) => frames);
  const inputs: string[] = [];
  const depth: string[] = [];
  const path = (name: string) => join(folder, `${inputs.length}-${name}`);
  for (const kind of task.inputs) {
    if (kind === 'depth') inputs.push(writeDepth(path('depth.safetensors'), geometry!.depth!));
    // a clip of which the depth alone is given
    else if (geometry?.frames) {
      depth.push(writeDepth(path('depth.safetensors'), geometry.depth!));
      inputs.push(await writeFrames(path('clip'), geometry.frames));
    } else inputs.push(await writeFrames(path(kind), rest.shift()!));
  }
  // one map for each input, unless the depth of all frames replaces theirs
  if (!geometry) {
    for (const [i, one] of known.entries()) {
      if (one.depth) depth.push(writeDepth(join(folder, `${i}-known.safetensors`), one.depth));
    }
  }
  // what is given beyond that, a user may leave out
  for (const frames of rest) inputs.push(await writeFrames(path('image'), frames));
  const hole = known[0]?.hole;
  if (!hole) return { inputs, depth };
  return {
    inputs,
    depth,
    mask: { file: await writeFrames(path('mask'), inWhite(hole, known[0]!.frames)) },
  };
}

/** The same for a mixture: a file for each run of frames, with its place in its name's place. */
async function writePlaced(given: ConditionInputs, folder: string): Promise<GivenFiles> {
  const runs = (at: readonly number[]) =>
    at.filter((place, i) => i === 0 || place !== at[i - 1]! + 1);
  const known: KnownPart[] = [];
  const depth: DepthPart[] = [];
  const path = (kind: string, from: number) => join(folder, `${kind}@${from}, of a mixture`);
  for (const part of given.known) {
    for (const [i, from] of runs(part.at).entries()) {
      const to = runs(part.at)[i + 1] ?? Number.POSITIVE_INFINITY;
      const { frames, at, hole, gray, depth: map } = knownWhere(part, (p) => p >= from && p < to)!;
      const words = [`${await writeFrames(path('part', from), frames)}@${from}..${at.at(-1)}`];
      if (hole) words.push(`mask=${await writeFrames(path('mask', from), inWhite(hole, frames))}`);
      if (gray) words.push('gray');
      if (map) words.push(`depth=${writeDepth(`${path('depth', from)}.safetensors`, map)}`);
      known.push(parseKnown(words.join(',')) as KnownPart);
    }
  }
  for (const part of given.geometry) {
    for (const [i, from] of runs(part.at).entries()) {
      const to = runs(part.at)[i + 1] ?? Number.POSITIVE_INFINITY;
      const { depth: map, at } = geometryWhere(part, (p) => p >= from && p < to)!;
      const file = writeDepth(`${path('shape', from)}.safetensors`, map!);
      depth.push(parseDepth(`${file}@${from}..${at.at(-1)}`) as DepthPart);
    }
  }
  return { inputs: [], depth, known };
}

/** The condition that these files lead to. */
export async function conditionOfFiles(
  task: Task,
  files: GivenFiles,
  { width, height, numFrames }: Target,
  rules: Partial<DepthRules> = {},
): Promise<Condition> {
  const settings = settingsFor(
    PipelineSettings.parse({ width, height, numFrames, depthTasks: 'all' }),
    task,
  );
  const request: UserRequest = {
    ...files,
    prompt: 'a red cube',
    size: { width, height },
    tile: null,
    numFrames: task.result === 'image' ? undefined : numFrames,
  };
  const prepared = await prepare(task, request, settings);
  await prepared.close();
  return conditionOf(prepared.first, prepared.target, rules);
}

/** One frame as a picture, more as a folder of them. */
async function writeFrames(path: string, frames: Frames): Promise<string> {
  if (frames.numFrames === 1) {
    await writeImage(`${path}.png`, frames);
    return `${path}.png`;
  }
  mkdirSync(path);
  for (let i = 0; i < frames.numFrames; i++) {
    await writeImage(join(path, `${i}.png`), sliceFrames(frames, i, i + 1));
  }
  return path;
}

function writeDepth(path: string, { width, height, numFrames, data }: DepthMap): string {
  saveSafetensors(path, { depth: fromArray(data, [numFrames, height, width]) });
  return path;
}

const inWhite = (hole: Hole, { width, height, numFrames }: Frames): Frames => ({
  width,
  height,
  numFrames,
  data: Uint8Array.from({ length: hole.length * 3 }, (_, i) =>
    Math.round(255 * hole[Math.floor(i / 3)]!),
  ),
});
