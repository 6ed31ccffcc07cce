/** Makes the odd files that the media tests read. */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { findFfmpeg } from '../../src/media/ffmpeg/ffmpeg.js';
import type { Frames } from '../../src/media/frames.js';

/** False, or the reason to skip a test that needs ffmpeg. */
export const noFfmpeg = (() => {
  try {
    findFfmpeg();
    return false;
  } catch {
    return 'needs ffmpeg';
  }
})();

/** Runs ffmpeg, which must succeed. */
export function ffmpeg(...args: string[]): void {
  const { status, stderr } = spawnSync(findFfmpeg(), ['-v', 'error', '-y', '-nostdin', ...args]);
  if (status !== 0) {
    throw new Error(`ffmpeg ${args.join(' ')}: ${stderr}`);
  }
}

/** `count` frames, each of one colour. */
export function flatFrames(width: number, height: number, colors: number[][]): Frames {
  const size = width * height * 3;
  const data = new Uint8Array(size * colors.length);
  colors.forEach((color, frame) => {
    for (let i = 0; i < size; i++) {
      data[frame * size + i] = color[i % 3]!;
    }
  });
  return { width, height, numFrames: colors.length, data };
}

/** The colour in the middle of a frame, or at a place given. */
export function colorAt(frames: Frames, frame = 0, x?: number, y?: number): number[] {
  const { width, height, data } = frames;
  const column = x ?? Math.floor(width / 2);
  const row = y ?? Math.floor(height / 2);
  const at = ((frame * height + row) * width + column) * 3;
  return [...data.subarray(at, at + 3)];
}

/** Throws unless each channel is within `tolerance`. */
export function expectColor(got: number[], want: number[], tolerance: number): void {
  if (got.some((value, i) => Math.abs(value - want[i]!) > tolerance)) {
    throw new Error(`colour must be [${want}] within ${tolerance}, got [${got}]`);
  }
}

/** What is in a folder, hidden files too. */
export function listing(folder: string): string[] {
  return readdirSync(folder).sort();
}
