/** Checks an uploaded file as `mfm data check` does: everything in it is decoded once. */
import sharp, { type Metadata, type Sharp } from 'sharp';
import { limited } from '../../data/limited.js';
import { inspectFile } from '../../data/measure/inspect.js';
import { InputError } from '../../errors.js';
import { damaged, openStill } from '../../media/codecs/still.js';
import { probeVideo } from '../../media/ffmpeg/probe.js';
import { readDepth, sniff } from '../../media/index.js';
import { readLora } from '../../nn/index.js';
import { callingIt } from './calling-it.js';
import type { Calls, ProbeFacts } from './messages.js';

/** Files that are checked at once: each holds frames in memory. */
const AT_ONCE = 2;

/** Pixels of the largest picture whose transparency is looked for. */
const MOST_LOOKED_AT = 2 ** 27;

type Takes = Calls['probe']['takes'];

export const probe = limited(
  AT_ONCE,
  ({ path, name, maxPixels }: Takes): Promise<ProbeFacts> =>
    callingIt(path, name, () => facts(path, name, maxPixels)),
);

async function facts(path: string, name: string, maxPixels: number): Promise<ProbeFacts> {
  if (path.endsWith('.safetensors')) return ofTensors(path);
  const { width, height, alpha, sound } = await lookAt(path);
  if (width * height > maxPixels) {
    throw new InputError(
      `${name}: has ${width}x${height} pixels, and at most ${maxPixels} are accepted; make it smaller`,
    );
  }
  const found = await inspectFile({ path, name });
  if ('problem' in found) throw new InputError(found.problem);
  const { kind, numFrames } = found.facts;
  return {
    kind: kind === 'image' ? 'image' : 'video',
    width: found.facts.width,
    height: found.facts.height,
    numFrames,
    fps: found.fps,
    alpha,
    sound,
    notes: found.notes,
  };
}

/** What the file's head says, before anything is decoded. */
async function lookAt(
  path: string,
): Promise<{ width: number; height: number; alpha: boolean | null; sound: boolean }> {
  const kind = await sniff(path);
  if (kind === 'still') {
    const { facts, decoder } = await openStill(path);
    return ofPicture(path, facts, decoder);
  }
  if (kind === 'animation') {
    const facts = await worded(path, sharp(path, { limitInputPixels: false }).metadata());
    return ofPicture(path, facts, () => sharp(path));
  }
  const { width, height, hasAudio } = await probeVideo(path);
  return { width, height, alpha: null, sound: hasAudio };
}

async function ofPicture(
  path: string,
  { width, height, pageHeight, pages = 1, hasAlpha, autoOrient }: Metadata,
  decoder: () => Sharp,
) {
  // a channel for transparency says little: many pictures have one and are opaque
  const alpha =
    hasAlpha &&
    width * height <= MOST_LOOKED_AT &&
    !(await worded(path, decoder().stats())).isOpaque;
  // as it is read: a photo upright, an animation as it is stored
  const size = pages === 1 ? autoOrient : { width, height: pageHeight ?? height };
  return { width: size.width, height: size.height, alpha, sound: false };
}

/** @throws InputError if sharp cannot read the picture */
const worded = <T>(path: string, read: Promise<T>): Promise<T> =>
  read.catch((cause) => {
    throw damaged(path, cause);
  });

/** A LoRA, or depth as floats. */
async function ofTensors(path: string): Promise<ProbeFacts> {
  const none = { fps: null, alpha: null, sound: false, notes: [] };
  try {
    const { numFrames, width, height } = await readDepth(path);
    return { ...none, kind: 'depth', width, height, numFrames };
  } catch (error) {
    try {
      readLora(path);
      return { ...none, kind: 'lora', width: null, height: null, numFrames: null };
    } catch (other) {
      const { message } = error as Error;
      throw new InputError(
        `${path}: is neither depth (${message}) nor a LoRA (${(other as Error).message}); give one of them`,
        { cause: other },
      );
    }
  }
}
