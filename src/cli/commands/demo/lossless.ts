/** Lossless clips: FFV1 in Matroska. */
import { JobError } from '../../../errors.js';
import { encodeRaw } from '../../../media/ffmpeg/ffmpeg.js';
import type { Frames } from '../../../media/index.js';

/** Writes `frames` to a .mkv file. @throws JobError if ffmpeg is missing or fails */
export async function writeLossless(path: string, frames: Frames, fps: number): Promise<void> {
  const { width, height, data } = frames;
  async function* bytes() {
    yield data;
  }
  try {
    await encodeRaw(bytes(), [
      ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${width}x${height}`],
      ...['-framerate', String(fps), '-i', 'pipe:0', '-c:v', 'ffv1', '-pix_fmt', 'bgr0'],
      ...['-f', 'matroska', `file:${path}`],
    ]);
  } catch (cause) {
    if (cause instanceof JobError) throw cause;
    throw new JobError(`${path}: cannot be written (${(cause as Error).message})`, { cause });
  }
}
