/** A clip seen through a moving window: only the frames within it are in memory. */
import { type ClipReader, type Frames, sliceFrames } from '../../media/index.js';

export class ClipWindow {
  private held: Frames | null = null;
  /** index of the first held frame */
  private start = 0;

  constructor(private readonly reader: Pick<ClipReader, 'read'>) {}

  /** A window over a clip that is in memory already. */
  static over(frames: Frames): ClipWindow {
    let at = 0;
    return new ClipWindow({
      async read(count) {
        if (at >= frames.numFrames) return null;
        const start = at;
        at = Math.min(start + count, frames.numFrames);
        return sliceFrames(frames, start, at);
      },
    });
  }

  /**
   * Frames `start` to `start + count`, or fewer if the clip ends; those before `start` are released.
   * @returns null if there are none
   */
  async take(start: number, count: number): Promise<Frames | null> {
    this.letGo(start); // before reading more, so that no more than `count` frames are held
    await this.hold(start + count);
    const end = Math.min(start + count, this.end);
    if (!this.held || end <= start) return null;
    return sliceFrames(this.held, start - this.start, end - this.start);
  }

  /** Is there a frame at this index? */
  async has(place: number): Promise<boolean> {
    await this.hold(place + 1);
    return this.end > place;
  }

  /** The number of frames, counted up to `most`; they are held in memory. */
  async count(most: number): Promise<number> {
    await this.hold(most);
    return Math.min(this.end, most);
  }

  private get end(): number {
    return this.start + (this.held?.numFrames ?? 0);
  }

  private async hold(end: number): Promise<void> {
    while (this.end < end) {
      const more = await this.reader.read(end - this.end);
      if (!more) return;
      this.held = this.held ? joinFrames([this.held, more]) : more;
    }
  }

  private letGo(start: number): void {
    if (!this.held || start <= this.start) return;
    const { held } = this;
    const gone = Math.min(start - this.start, held.numFrames);
    this.start += gone;
    // a copy, so that the memory of the released frames is freed
    const rest = gone < held.numFrames ? sliceFrames(held, gone, held.numFrames) : null;
    this.held = rest && { ...rest, data: rest.data.slice() };
  }
}

/** Joins frames of one size, one part after the other. */
export function joinFrames(parts: readonly Frames[]): Frames {
  if (parts.length === 1) return parts[0]!;
  const { width, height } = parts[0]!;
  const numFrames = parts.reduce((sum, part) => sum + part.numFrames, 0);
  // not Buffer.concat: `slice` of a Buffer is a view, so changing a "copy" would change both
  const data = new Uint8Array(width * height * numFrames * 3);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { width, height, numFrames, data };
}

/** Repeats the last frame until there are `count` frames. */
export function padFrames(frames: Frames, count: number): Frames {
  if (frames.numFrames >= count) return frames;
  const last = sliceFrames(frames, frames.numFrames - 1, frames.numFrames);
  return joinFrames([frames, ...new Array<Frames>(count - frames.numFrames).fill(last)]);
}
