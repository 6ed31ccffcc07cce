/**
 * Writes depth as a file for `readDepth`: a 16-bit PNG for a picture, a lossless gray video (FFV1 in
 * Matroska, 8 bits) for a clip. The farthest point of the whole clip is black, the nearest white.
 */
import { existsSync } from 'node:fs';
import { open, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import sharp from 'sharp';
import { writeAtomically } from '../../files/atomic.js';
import type { Picture } from '../../media/codecs/video.js';
import { encodeRaw } from '../../media/ffmpeg/ffmpeg.js';
import type { Frames } from '../../media/frames.js';
import { openMedia } from '../measure/open-item.js';

/** Relative depth of every frame, [F, H, W], larger is nearer. */
export type DepthEstimator = (frames: Frames) => Float32Array;

/** How many frames are estimated at a time. */
const AT_ONCE = 8;

/**
 * Estimates and writes the depth of the picture or clip at `path`.
 *
 * @param stem    path of the depth file without its extension, `.png` or `.mkv`
 * @returns       its path; null if everything is equally far away, which is not usable as depth
 */
export async function writeDepth(
  path: string,
  stem: string,
  estimate: DepthEstimator,
): Promise<string | null> {
  const opened = await openMedia(path, 'either');
  if (opened.kind === 'image') {
    const { width, height } = opened.picture;
    const depth = estimate({ ...opened.picture, numFrames: 1 });
    const range = rangeOf(depth);
    if (range.least === range.most) return null;
    const gray = Uint16Array.from(depth, (value) => levelOf(value, range, 65535));
    const png = sharp(gray, { raw: { width, height, channels: 1 } })
      .toColourspace('grey16')
      .png();
    const bytes = await png.toBuffer();
    await writeAtomically(`${stem}.png`, (temporary) => writeFile(temporary, bytes));
    return `${stem}.png`;
  }
  // complete already, if an earlier preparation was stopped just after this step
  if (existsSync(`${stem}.mkv`)) return `${stem}.mkv`;
  // the range is known only after the last frame; until then the values are kept in a file, not in memory
  const raw = `${stem}.raw.tmp`;
  try {
    const range = { least: Number.POSITIVE_INFINITY, most: Number.NEGATIVE_INFINITY };
    let [width, height] = [0, 0];
    const file = await open(raw, 'w');
    try {
      for await (const frames of inGroups(opened.frames(Number.MAX_SAFE_INTEGER))) {
        await setImmediate(); // estimating blocks the event loop: let Ctrl-C be handled
        const depth = estimate(frames);
        ({ width, height } = frames);
        const { least, most } = rangeOf(depth);
        range.least = Math.min(range.least, least);
        range.most = Math.max(range.most, most);
        await file.writeFile(new Uint8Array(depth.buffer, depth.byteOffset, depth.byteLength));
      }
    } finally {
      await file.close();
    }
    if (range.least === range.most) return null;
    const rate = String(opened.fps ?? 25);
    const args = [
      ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'gray', '-s', `${width}x${height}`],
      ...['-framerate', rate, '-i', 'pipe:0', '-c:v', 'ffv1', '-level', '3', '-g', '1'],
      ...['-pix_fmt', 'gray', '-fflags', '+bitexact', '-flags:v', '+bitexact', '-f', 'matroska'],
    ];
    await writeAtomically(`${stem}.mkv`, (temporary) =>
      encodeRaw(grays(raw, width * height, range), [...args, `file:${resolve(temporary)}`]),
    );
    return `${stem}.mkv`;
  } finally {
    await rm(raw, { force: true });
  }
}

interface Range {
  least: number;
  most: number;
}

function rangeOf(values: Float32Array): Range {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return { least, most };
}

const levelOf = (value: number, { least, most }: Range, levels: number): number =>
  Math.round(((value - least) / (most - least)) * levels);

/** Groups the frames of a clip, `AT_ONCE` at a time. */
async function* inGroups(pictures: AsyncIterable<Picture>): AsyncGenerator<Frames> {
  let group: Picture[] = [];
  const joined = (): Frames => {
    const { width, height, data: first } = group[0]!;
    const data = new Uint8Array(first.length * group.length);
    group.forEach(({ data: one }, i) => {
      data.set(one, i * first.length);
    });
    return { width, height, numFrames: group.length, data };
  };
  for await (const picture of pictures) {
    group.push(picture);
    if (group.length === AT_ONCE) {
      yield joined();
      group = [];
    }
  }
  if (group.length > 0) yield joined();
}

async function* grays(raw: string, pixels: number, range: Range): AsyncGenerator<Uint8Array> {
  const file = await open(raw, 'r');
  try {
    const bytes = new Uint8Array(pixels * 4);
    for (;;) {
      const { bytesRead } = await file.read(bytes, 0, bytes.length);
      if (bytesRead === 0) return;
      yield Uint8Array.from(new Float32Array(bytes.buffer), (value) => levelOf(value, range, 255));
    }
  } finally {
    await file.close();
  }
}
