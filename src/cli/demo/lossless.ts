/** Clips whose every byte comes back: FFV1 in Matroska. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { JobError } from '../../errors.js';
import { startFfmpeg } from '../../media/ffmpeg.js';
import type { Frames } from '../../media/index.js';

/** Writes `frames` to a .mkv file. @throws JobError if ffmpeg is missing or fails */
export async function writeLossless(path: string, frames: Frames, fps: number): Promise<void> {
  const { width, height, data } = frames;
  const { child, done } = startFfmpeg(
    [
      ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`],
      ...['-framerate', String(fps), '-i', 'pipe:0', '-c:v', 'ffv1', '-pix_fmt', 'bgr0'],
      ...['-f', 'matroska', `file:${path}`],
    ],
    { input: true },
  );
  child.stdout!.resume();
  // if ffmpeg leaves early, its own words say why, not the broken pipe
  await pipeline(Readable.from([data]), child.stdin!).catch(() => {});
  const { code, stderr } = await done;
  if (code !== 0) throw new JobError(`${path}: cannot be written (${stderr.trim()})`);
}
