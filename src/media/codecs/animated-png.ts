/**
 * Animated PNG: the number of frames and their durations are read from its chunks; ffmpeg decodes the
 * frames.
 * Source: Portable Network Graphics, third edition, chunks acTL, fcTL, fdAT
 */
import { resolve } from 'node:path';
import { InputError } from '../../errors.js';
import { collectOutput } from './converted.js';

/** A file of several frames that are not decoded yet. */
export interface AnimationFile {
  width: number;
  height: number;
  pages: number;
  /** how long each frame is shown, in milliseconds */
  delays: number[];
  /** frames `first` to `last`, both included, stacked from top to bottom, channels interleaved */
  decode(
    first: number,
    last: number,
    signal?: AbortSignal,
  ): Promise<{ data: Uint8Array; channels: number }>;
}

const CHANNELS = 4;

/** @throws InputError if the file ends early or has no frame */
export function openAnimatedPng(path: string, bytes: Buffer): AnimationFile {
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const delays: number[] = [];
  let ended = false;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (type === 'fcTL' && at + 8 + 24 <= bytes.length) {
      const [over, under] = [bytes.readUInt16BE(at + 28), bytes.readUInt16BE(at + 30)];
      delays.push((over * 1000) / (under || 100));
    }
    if (type === 'IEND') ended = true;
    at += 12 + length;
  }
  if (!ended || delays.length === 0) {
    throw new InputError(`${path}: is an animated PNG that is cut off; copy or download it again`);
  }
  return {
    width,
    height,
    pages: delays.length,
    delays,
    async decode(first, last, signal) {
      const count = last - first + 1;
      const args = [
        ...['-nostdin', '-v', 'error', '-protocol_whitelist', 'file'],
        ...['-f', 'apng', '-i', `file:${resolve(path)}`],
        // each frame once, whatever its time stamp
        ...['-vf', `select=gte(n\\,${first}),settb=100,setpts=N`, '-r', '0.01'],
        ...['-frames:v', String(count), '-f', 'rawvideo', '-pix_fmt', 'rgba', 'pipe:1'],
      ];
      const { data, complaint } = await collectOutput(args, { signal });
      if (data.length !== width * height * CHANNELS * count) {
        const got = Math.floor(data.length / (width * height * CHANNELS));
        throw new InputError(
          `${path}: is an animated PNG, and only ${got} of its ${count} frames can be decoded${complaint && ` (${complaint})`}; give another copy`,
        );
      }
      return { data, channels: CHANNELS };
    },
  };
}
