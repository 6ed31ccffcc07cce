/** Measures everything about one item that takes opening it; runs in worker threads. */
import { InputError, JobError } from '../../errors.js';
import type { Frames } from '../../media/frames.js';
import { contentHash, withPath } from '../sources/data-file.js';
import type { SampleFacts } from '../sources/facts.js';
import type { DataFile, DataItem } from '../sources/items.js';
import { wordsIn } from '../words.js';
import { ClipMeter, MOMENTS, mean, SMALL_SIDE } from './clip-meter.js';
import type { Fingerprint } from './duplicates.js';
import { lookAtDepth } from './look-at-depth.js';
import { type Box, chromaOf, contentOf, differenceHash, lumaOf, sharpnessOf } from './measure.js';
import { type OpenedClip, type OpenedImage, openFrames, openMedia } from './open-item.js';

/**
 * Mean chroma, 0..255, from which a sample counts as
 * colourful; black-and-white film measures below 0.6.
 */
const COLOURFUL = 2;

export interface Inspection extends Fingerprint {
  facts: SampleFacts;
  /** it has a caption, or for an edit an instruction */
  hasPrompt: boolean;
  /** null for a picture, or if the file does not state it */
  fps: number | null;
  /** see `ClipMeasures`; empty and null for a picture */
  cuts: number[];
  change: number | null;
  /** the part inside black borders, in pixels; null if all is black */
  content: Box | null;
  /** notes from reading the files; and sentences about files that do not match one another */
  notes: string[];
  mismatches: string[];
}

/** The facts without files that do not fit the sample: they are ignored, and the sample is kept. */
export function usableFacts({
  facts,
  mismatches,
}: Pick<Inspection, 'facts' | 'mismatches'>): SampleFacts {
  const fits = mismatches.length === 0;
  const { hasDepth, hasEditSource } = facts;
  return { ...facts, hasDepth: hasDepth && fits, hasEditSource: hasEditSource && fits };
}

export type Inspected = Inspection | { problem: string };

/** Opens an item. A problem with its files is returned, not thrown. */
export async function inspectItem(item: DataItem): Promise<Inspected> {
  try {
    return await inspect(item);
  } catch (error) {
    if (error instanceof InputError) return { problem: error.message };
    if (error instanceof JobError) throw error; // ffmpeg is missing
    return { problem: `${item.where}: cannot be measured (${(error as Error).message})` };
  }
}

/**
 * Opens a picture or clip that belongs to no data set.
 *
 * @param file   its path, and the name that messages call it by
 */
export const inspectFile = ({ path, name }: { path: string; name: string }): Promise<Inspected> =>
  inspectItem({
    where: name,
    kind: 'either',
    media: { name, path, member: null },
    target: null,
    mask: null,
    depth: null,
    prompt: '',
    part: {},
    stated: { watermark: false, text: false },
  });

async function inspect(item: DataItem): Promise<Inspection> {
  const { media, target, mask, depth, kind, part, stated, prompt } = item;
  const sample = target ?? media;
  const measured = await withPath(sample, async (path) => {
    const opened = await openMedia(path, kind, part);
    const measures =
      opened.kind === 'image'
        ? measureImage(opened)
        : await measureClip(opened, stated.motionScore);
    const notes = measures.notes.map((note) => note.replaceAll(path, sample.name));
    return { ...measures, notes };
  });
  const { width, height, numFrames } = measured;
  const mismatches: string[] = [];
  const others: [string, DataFile | null][] = [
    ['source of the edit', target && media],
    ['mask', mask],
    ['depth', depth],
  ];
  for (const [role, file] of others) {
    if (file === null) continue;
    const complaint = await misfit(file, role, measured, item);
    if (complaint !== null) mismatches.push(complaint);
  }
  if (depth !== null && mismatches.length === 0) {
    const { problem, note } = await lookAtDepth(depth, numFrames);
    if (problem !== null) mismatches.push(problem);
    if (note !== null) measured.notes.push(note);
  }
  const files = [media, target, mask, depth].filter((file) => file !== null);
  // a mask and depth of the same bytes are not the same
  const about = JSON.stringify(depth === null ? part : [part, 'depth']);
  return {
    facts: {
      kind: measured.kind,
      width,
      height,
      numFrames,
      // an instruction does not describe the result
      captionWords: target !== null ? 0 : wordsIn(prompt),
      sharpness: stated.sharpness ?? measured.sharpness,
      motionScore: stated.motionScore ?? measured.motionScore,
      colourful: measured.chroma >= COLOURFUL,
      watermark: stated.watermark,
      text: stated.text,
      hasMask: mask !== null,
      hasDepth: depth !== null,
      hasEditSource: target !== null,
    },
    hasPrompt: prompt !== '',
    fps: measured.fps,
    cuts: measured.cuts,
    change: measured.change,
    content: measured.content,
    notes: measured.notes,
    mismatches,
    contentHash: await contentHash(files, about),
    // edits of one picture, and masks of its objects, are similar on purpose
    hashes: target === null && mask === null ? measured.hashes : [],
  };
}

/** What can be measured of frames in memory, as of a file that holds them. */
export async function measureFrames(
  frames: Frames,
): Promise<
  Pick<SampleFacts, 'kind' | 'width' | 'height' | 'numFrames'> &
    Pick<SampleFacts, 'sharpness' | 'motionScore' | 'colourful'>
> {
  const opened = openFrames(frames);
  const found = opened.kind === 'image' ? measureImage(opened) : await measureClip(opened);
  const { kind, width, height, numFrames, sharpness, motionScore, chroma } = found;
  const colourful = chroma >= COLOURFUL;
  return { kind, width, height, numFrames, sharpness, motionScore, colourful };
}

type Measured = Pick<SampleFacts, 'kind' | 'width' | 'height' | 'numFrames'> &
  Pick<SampleFacts, 'sharpness' | 'motionScore'> &
  Pick<Inspection, 'fps' | 'cuts' | 'change' | 'content' | 'notes' | 'hashes'> & {
    chroma: number;
  };

function measureImage({ picture, notes }: OpenedImage): Measured {
  const { width, height } = picture;
  const luma = lumaOf(picture);
  const hash = differenceHash(luma);
  return {
    kind: 'image',
    width,
    height,
    numFrames: 1,
    fps: null,
    cuts: [],
    change: null,
    notes,
    sharpness: sharpnessOf(luma),
    motionScore: 0,
    chroma: chromaOf(picture),
    content: contentOf([luma], null),
    hashes: hash ? [hash] : [],
  };
}

/** Uses small frames for everything except sharpness and borders, which come from three full frames. */
async function measureClip(clip: OpenedClip, statedMotion?: number): Promise<Measured> {
  const meter = new ClipMeter({ motion: statedMotion === undefined });
  for await (const picture of clip.frames(SMALL_SIDE)) meter.push(picture);
  const small = meter.measures();
  const { numFrames, cuts, change, chroma, hashes, motionScore } = small;
  let pictures = small.pictures;
  // clips below that size were not reduced, so their small frames are full frames
  if (Math.max(small.width, small.height) >= SMALL_SIDE) {
    const full = [];
    for (const share of MOMENTS) {
      const picture = await clip.fullFrame(Math.round(share * (numFrames - 1)));
      if (picture) full.push(picture);
    }
    if (full.length > 0) pictures = full;
  }
  const { width, height } = pictures[0]!;
  const lumas = pictures.map(lumaOf);
  const sharpness = lumas.map(sharpnessOf).filter((value) => value !== null);
  const scale = width / small.width;
  // the content of all small frames, without the outermost pixel, which may blend content and border
  const seen = small.content && {
    left: Math.min(width - 1, Math.ceil((small.content.left + 1) * scale)),
    top: Math.min(height - 1, Math.ceil((small.content.top + 1) * scale)),
    width: Math.max(1, Math.floor((small.content.width - 2) * scale)),
    height: Math.max(1, Math.floor((small.content.height - 2) * scale)),
  };
  return {
    kind: 'clip',
    width,
    height,
    numFrames,
    cuts,
    change,
    chroma,
    hashes,
    fps: clip.fps,
    sharpness: sharpness.length === 0 ? null : mean(sharpness),
    motionScore: motionScore === null ? null : motionScore * scale,
    content: contentOf(lumas, seen),
    notes: clip.notes,
  };
}

/** Size, longer side, at which frames are decoded merely to count them. */
const COUNTED_SIDE = 32;

/** A sentence if `file` cannot be read or does not match the sample, else null. */
async function misfit(
  file: DataFile,
  role: string,
  sample: Measured,
  { kind, part }: DataItem,
): Promise<string | null> {
  // a depth tensor, which only training reads
  if (file.name.endsWith('.safetensors')) return null;
  return withPath(file, async (path) => {
    try {
      const opened = await openMedia(path, kind === 'image' ? 'image' : 'either', part);
      if (opened.kind === 'image') {
        const { width, height } = opened.picture;
        const fits = role === 'depth' || (width === sample.width && height === sample.height);
        return fits
          ? null
          : `${file.name}: the ${role} must have the sample's size (${sample.width}x${sample.height}), got ${width}x${height}`;
      }
      let count = 0;
      for await (const _ of opened.frames(COUNTED_SIDE)) count++;
      return count === sample.numFrames || count === 1
        ? null
        : `${file.name}: the ${role} must have as many frames as the sample (${sample.numFrames}), got ${count}`;
    } catch (error) {
      if (error instanceof InputError) return error.message.replaceAll(path, file.name);
      throw error;
    }
  });
}
