/** Previews as small WebP pictures, animated for clips: at most one at a time. */
import sharp from 'sharp';
import type { PreviewEvent } from '../../index.js';
import type { MakingEvent } from './messages.js';

/** The most bytes of a preview. */
export const PREVIEW_BYTES = 20_000;
/** The least time between two previews: more are not seen, and take time from the work. */
export const PAUSE_SECONDS = 0.25;
/** The longest side of a preview. */
const SIDE = 128;
/** How long a frame is shown. */
const FRAME_MS = 250;
const QUALITIES = [80, 50, 25, 5];

export class PreviewWriter {
  private writing: Promise<void> = Promise.resolve();
  private busy = false;

  constructor(private readonly emit: (event: MakingEvent) => void) {}

  /** Writes a preview, unless one is being written. */
  offer({ frames, step, steps }: PreviewEvent): void {
    if (this.busy) return;
    this.busy = true;
    this.writing = encode(frames)
      .then((webp) => {
        const { width, height, numFrames } = frames;
        this.emit({ type: 'preview', webp, width, height, frames: numFrames, step, steps });
      })
      .finally(() => {
        this.busy = false;
      });
  }

  /** Waits for the preview that is being written. */
  async close(): Promise<void> {
    await this.writing;
  }
}

/** Encodes with less quality, then fewer frames, until the preview is small enough. */
async function encode({
  width,
  height,
  numFrames,
  data,
}: PreviewEvent['frames']): Promise<Uint8Array> {
  for (let stride = 1; ; stride *= 2) {
    const count = Math.ceil(numFrames / stride);
    const size = width * height * 3;
    const taken = Buffer.concat(
      Array.from({ length: count }, (_, i) =>
        data.subarray(i * stride * size, (i * stride + 1) * size),
      ),
    );
    for (const quality of QUALITIES) {
      const webp = await sharp(taken, {
        raw: { width, height: height * count, channels: 3, pageHeight: height },
      })
        .resize({ width: SIDE, height: SIDE, fit: 'inside', withoutEnlargement: true })
        .webp({ quality, effort: 0, loop: 0, delay: Array(count).fill(FRAME_MS * stride) })
        .toBuffer();
      if (webp.length <= PREVIEW_BYTES || (count === 1 && quality === QUALITIES.at(-1)))
        return webp;
    }
  }
}
