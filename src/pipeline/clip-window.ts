/** A clip seen through a window that moves on: only what it shows is in memory. */
import { type ClipReader, type Frames, sliceFrames } from '../media/index.js';

export class ClipWindow {
  private held: Frames | null = null;
  /** place of the first held frame */
  private start = 0;

  constructor(private readonly reader: Pick<ClipReader, 'read'>) {}

  /** All of a clip that is in memory. */
  static over(frames: Frames): ClipWindow {
    let next: Frames | null = frames;
    return new ClipWindow({
      async read() {
        const all = next;
        next = null;
        return all;
      },
    });
  }

  /**
   * Frames `start` to `start + count`, fewer where the clip ends; those before `start` are let go.
   * @returns null if there are none
   */
  async take(start: number, count: number): Promise<Frames | null> {
    await this.hold(start + count);
    this.letGo(start);
    const end = Math.min(start + count, this.end);
    if (!this.held || end <= start) return null;
    return sliceFrames(this.held, start - this.start, end - this.start);
  }

  /** Is there a frame at this place? */
  async has(place: number): Promise<boolean> {
    await this.hold(place + 1);
    return this.end > place;
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
    // a copy, so that the memory of what is gone is free
    const rest = gone < held.numFrames ? sliceFrames(held, gone, held.numFrames) : null;
    this.held = rest && { ...rest, data: rest.data.slice() };
  }
}

/** One after the other; of one size. */
export function joinFrames(parts: readonly Frames[]): Frames {
  if (parts.length === 1) return parts[0]!;
  const { width, height } = parts[0]!;
  return {
    ...{ width, height, numFrames: parts.reduce((sum, part) => sum + part.numFrames, 0) },
    data: Buffer.concat(parts.map(({ data }) => data)),
  };
}

/** With the last frame again and again, until there are `count`. */
export function padFrames(frames: Frames, count: number): Frames {
  if (frames.numFrames >= count) return frames;
  const last = sliceFrames(frames, frames.numFrames - 1, frames.numFrames);
  return joinFrames([frames, ...new Array<Frames>(count - frames.numFrames).fill(last)]);
}
