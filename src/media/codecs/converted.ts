/** Picture formats that sharp cannot read, converted losslessly to PNG by ffmpeg. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InputError } from '../../errors.js';
import { firstComplaint, STALL_MS, startFfmpeg } from '../ffmpeg/ffmpeg.js';
import { expectPixels, MAX_PIXELS } from '../pixels/limit.js';
import type { ConvertedKind } from './kinds.js';

/**
 * Converts a picture to PNG, keeping its alpha channel and bit depth.
 *
 * @throws InputError if it is damaged or too large
 */
export async function toPng(
  path: string,
  kind: ConvertedKind,
  bytes: Buffer,
  signal?: AbortSignal,
): Promise<Buffer> {
  const args = [
    ...['-v', 'error', '-protocol_whitelist', 'pipe', '-max_pixels', String(MAX_PIXELS)],
    ...[...inputArgs(kind, bytes), '-i', 'pipe:0', '-frames:v', '1'],
    ...['-f', 'image2pipe', '-c:v', 'png', 'pipe:1'],
  ];
  const png = await collectOutput(args, { input: bytes, signal });
  if (png.complaint === '' && png.data.length > 0) return png.data;
  const size = /(\d+)x(\d+) (?:is invalid|exceeds)/.exec(png.complaint);
  if (size) expectPixels(path, { width: Number(size[1]), height: Number(size[2]) });
  throw new InputError(
    `${path}: cannot be decoded as a picture (${png.complaint || 'it holds no picture'}); it may be damaged or of a rare kind, give another copy or convert it to PNG`,
  );
}

/**
 * Runs ffmpeg with `input` on its standard input; returns its
 * standard output and its first complaint.
 */
export async function collectOutput(
  args: string[],
  { input, signal }: { input?: Buffer; signal?: AbortSignal },
): Promise<{ data: Buffer; complaint: string }> {
  const { child, done } = startFfmpeg(args, {
    input: input !== undefined,
    signal,
    stallMs: STALL_MS,
  });
  // ffmpeg may stop reading before the end, which is no error
  const given = input && pipeline(Readable.from([input]), child.stdin!).catch(() => {});
  const parts: Buffer[] = [];
  for await (const part of child.stdout! as AsyncIterable<Buffer>) parts.push(part);
  const { stderr, stalled } = await done;
  await given;
  signal?.throwIfAborted();
  const complaint = stalled
    ? `ffmpeg produced nothing for ${STALL_MS / 60_000} minutes`
    : firstComplaint(stderr);
  return { data: Buffer.concat(parts), complaint };
}

function inputArgs(kind: ConvertedKind, bytes: Buffer): string[] {
  // there is no demuxer for Targa, so the whole file is passed as one packet
  if (kind === 'tga')
    return ['-f', 'image2pipe', '-frame_size', `${bytes.length}`, '-c:v', 'targa'];
  if (kind !== 'pnm') return ['-f', `${kind}_pipe`];
  // P1 and P4 are bitmaps, P2 and P5 are gray, P3 and P6 are in colour
  const digit = Number(bytes.toString('latin1', 1, 2));
  return ['-f', `${['pbm', 'pgm', 'ppm'][(digit - 1) % 3]}_pipe`];
}
