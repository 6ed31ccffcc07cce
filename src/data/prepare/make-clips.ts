/**
 * Cuts long videos into short clips: plans where each begins and ends, and encodes them. Runs in worker
 * threads; no video is held in memory as a whole.
 */
import { existsSync } from 'node:fs';
import { copyFile, rm, stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { InputError } from '../../errors.js';
import { createClipWriter } from '../../media/codecs/clip-writer.js';
import { expectRate } from '../../media/codecs/video.js';
import { outputKind, writeImage } from '../../media/codecs/write.js';
import type { Size } from '../../media/frames.js';
import { resample } from '../../media/pixels/resample.js';
import { type Inspection, inspectItem } from '../measure/inspect.js';
import { lumaOf } from '../measure/measure.js';
import { openMedia } from '../measure/open-item.js';
import { SceneDetector } from '../measure/scenes.js';
import { withPath } from '../sources/data-file.js';
import type { DataFile, DataItem } from '../sources/items.js';
import { isMedia } from '../sources/kinds.js';

export interface ClipSettings {
  /** shorter scenes are dropped; the paper drops those below 2 s */
  minSeconds: number;
  /** longer scenes are split into equal parts */
  maxSeconds: number;
  /** frame rate of the clips; null: that of their source */
  fps: number | null;
  /** pictures and clips with a larger area are reduced to the area of this size, keeping their shape */
  size: Size | null;
}

/** The plan for an item: it is stored unchanged, or parts of it become clips. */
export type Plan =
  | { kind: 'whole' }
  | {
      kind: 'parts';
      parts: Part[];
      fps: number;
      size: Size;
      /** time of the frame with index 0 */
      beginSeconds: number;
      /** number of scenes that are too short */
      tooShort: number;
      /** notes from reading: what was done to the frames, or could not be read */
      notes: string[];
    };

/** A range of frames, counted at the plan's frame rate. */
export interface Part {
  start: number;
  frames: number;
}

/** Longer side, in pixels, of the frames in which scene cuts are detected. */
const SCENE_SIDE = 160;
/** Frame rate assumed for a file that does not state it. */
const UNKNOWN_FPS = 25;

/**
 * Finds the scenes of a clip. Pictures stay whole, and so do items with a mask, depth or an edited
 * result, which would all have to be cut in the same way.
 */
export async function planItem(item: DataItem, settings: ClipSettings): Promise<Plan> {
  const { media, kind, part, target, mask, depth } = item;
  if (target ?? mask ?? depth) return { kind: 'whole' };
  return withPath(media, async (path) => {
    const first = await openMedia(path, kind, part);
    if (first.kind === 'image') return { kind: 'whole' };
    const fps = settings.fps ?? first.fps ?? UNKNOWN_FPS;
    expectRate(path, fps, 'give the rate that it is to have (fps)');
    // at a constant frame rate the index of a frame gives its
    // time; `frames` in a row counts at the row's rate
    const seconds = part.frames === undefined ? null : part.frames / (first.fps ?? UNKNOWN_FPS);
    const frames = seconds === null ? undefined : Math.max(1, Math.round(seconds * fps));
    const clip = await openMedia(path, kind, { ...part, frames, fps });
    if (clip.kind === 'image') return { kind: 'whole' };
    const scenes = new SceneDetector();
    for await (const picture of clip.frames(SCENE_SIDE)) scenes.push(picture, lumaOf(picture));
    const full = await clip.fullFrame(0);
    if (!full) throw new InputError(`${path}: its first frame cannot be decoded`);
    const ends = [...scenes.cuts(), scenes.numFrames];
    const all = ends.map((end, i) => ({
      start: ends[i - 1] ?? 0,
      frames: end - (ends[i - 1] ?? 0),
    }));
    const long = all.filter(({ frames }) => frames / fps >= settings.minSeconds);
    return {
      kind: 'parts',
      parts: long.flatMap((scene) => splitEvenly(scene, Math.floor(settings.maxSeconds * fps))),
      fps,
      size: sizeWithin(full, settings.size),
      beginSeconds: clip.beginSeconds,
      tooShort: all.length - long.length,
      notes: clip.notes.map((note) => note.replaceAll(path, media.name)),
    };
  });
}

function splitEvenly({ start, frames }: Part, most: number): Part[] {
  const count = Math.ceil(frames / most);
  const edge = (i: number) => Math.round((i * frames) / count);
  return Array.from({ length: count }, (_, i) => ({
    start: start + edge(i),
    frames: edge(i + 1) - edge(i),
  }));
}

/**
 * The picture's own size if its area is within `limit`;
 * otherwise that area, in its shape, with even sides.
 */
export function sizeWithin({ width, height }: Size, limit: Size | null): Size {
  if (limit === null || width * height <= limit.width * limit.height) return { width, height };
  const factor = Math.sqrt((limit.width * limit.height) / (width * height));
  const even = (side: number) => Math.max(2, 2 * Math.round((side * factor) / 2));
  return { width: even(width), height: even(height) };
}

/** A file of a clip in the staging folder; its name there is its name in the shard. */
export interface StagedFile {
  role: 'media' | 'target' | 'mask' | 'depth' | 'text';
  name: string;
  size: number;
}

export interface Made {
  files: StagedFile[];
  inspection: Inspection;
}

/** Makes the clip of one part in `folder`. @throws InputError if that cannot be done */
export async function makePart(
  item: DataItem,
  { fps, size, beginSeconds }: { fps: number; size: Size; beginSeconds: number },
  part: Part,
  { folder, key }: { folder: string; key: string },
): Promise<Made> {
  const name = `${key}.mp4`;
  // a quarter of a frame early: safely between two frames, and nearest to the wanted one
  const offset = (part.start - 0.25) / fps;
  const output = join(folder, name);
  const make = async (path: string) => {
    const start = part.start === 0 ? (item.part.start ?? 0) : beginSeconds + offset;
    const clip = await openMedia(path, item.kind, { start, frames: part.frames, fps });
    if (clip.kind === 'image') throw new InputError(`${path}: has changed while it was read`);
    const writer = await createClipWriter(output, { ...size, fps });
    try {
      for await (const { data } of clip.frames(size)) {
        await writer.write({ ...size, numFrames: 1, data });
      }
      await writer.finish();
    } finally {
      await writer.abort();
    }
  };
  // complete already, if an earlier preparation was stopped during this item
  if (!existsSync(output)) await withPath(item.media, make);
  const { watermark, text } = item.stated; // other stated values describe the whole video, not this part
  const own: DataItem = { ...item, part: {}, kind: 'clip', stated: { watermark, text } };
  return inspected(own, folder, [{ role: 'media', name, size: 0 }]);
}

/** Copies an item's files to `folder`; only a picture without other files is reduced to the size. */
export async function copyWhole(
  item: DataItem,
  { size }: ClipSettings,
  { folder, key }: { folder: string; key: string },
): Promise<Made> {
  const { media, target, mask, depth, kind } = item;
  const files: StagedFile[] = [];
  for (const [role, file] of Object.entries({ media, target, mask, depth })) {
    if (file === null) continue;
    const middle = role === 'media' ? '' : `.${role}`;
    const name = await withPath(file, async (path) => {
      const own = `${key}${middle}${await endingFor(path, file, kind)}`;
      await copyFile(path, join(folder, own));
      return own;
    });
    files.push({ role: role as StagedFile['role'], name, size: 0 });
  }
  if (files.length === 1 && size !== null) {
    files[0]!.name = await reducePicture(folder, files[0]!.name, size);
  }
  return inspected(item, folder, files);
}

/** Rewrites a picture file that is larger than the limit. @returns its name afterwards */
async function reducePicture(folder: string, name: string, limit: Size): Promise<string> {
  const path = join(folder, name);
  const opened = await openMedia(path, 'either');
  if (opened.kind !== 'image') return name;
  const { width, height, data } = opened.picture;
  const size = sizeWithin(opened.picture, limit);
  if (size.width === width && size.height === height) return name;
  const layout = { count: 1, height, width, channels: 3 };
  const reduced = resample(data, layout, size, 'lanczos');
  // not every format that can be read can be written
  const own = outputKind(name) === 'image' ? name : `${basename(name, extname(name))}.png`;
  await writeImage(join(folder, own), { ...size, numFrames: 1, data: reduced });
  if (own !== name) await rm(path);
  return own;
}

/** The file's own extension, or if that would not be recognised as media, one that fits its content. */
async function endingFor(path: string, { name }: DataFile, kind: DataItem['kind']) {
  const ending = extname(name).toLowerCase();
  if (isMedia(ending) || ending === '.safetensors') return ending;
  const found = kind === 'either' ? (await openMedia(path, kind)).kind : kind;
  return found === 'image' ? '.png' : '.mp4';
}

async function inspected(item: DataItem, folder: string, files: StagedFile[]): Promise<Made> {
  const staged = (role: StagedFile['role']): DataFile | null => {
    const name = files.find((file) => file.role === role)?.name;
    return name === undefined ? null : { name, path: join(folder, name), member: null };
  };
  const inspection = await inspectItem({
    ...item,
    media: staged('media')!,
    target: staged('target'),
    mask: staged('mask'),
    depth: staged('depth'),
  });
  if ('problem' in inspection) throw new InputError(inspection.problem);
  if (inspection.mismatches.length > 0) throw new InputError(inspection.mismatches[0]!);
  for (const file of files) file.size = (await stat(join(folder, file.name))).size;
  return { files, inspection };
}
