/** Depth of a clip in a temporary file, since its range is known only after its last frame. */
import { type FileHandle, open } from 'node:fs/promises';
import { ShapeError } from '../../errors.js';
import { type AtomicFile, openAtomically } from '../../files/atomic.js';
import { writeFailure } from '../../files/write-failure.js';
import type { Size } from '../frames.js';
import { rangeOf } from './meaning.js';

export class DepthSpool {
  size: Size = { width: 0, height: 0 };
  numFrames = 0;
  /** of all frames so far */
  least = Number.POSITIVE_INFINITY;
  most = Number.NEGATIVE_INFINITY;

  private constructor(
    private readonly path: string,
    private readonly place: AtomicFile,
    private readonly file: FileHandle,
  ) {}

  /** @param path   the result, beside which the temporary file lies */
  static async open(path: string): Promise<DepthSpool> {
    const place = await openAtomically(`${path}.raw`);
    try {
      return new DepthSpool(path, place, await open(place.temporary, 'wx+'));
    } catch (cause) {
      throw writeFailure(path, cause);
    }
  }

  /** Appends frames. @param depth   [F, H, W] */
  async add(depth: Float32Array, { width, height }: Size): Promise<void> {
    if (this.numFrames === 0) this.size = { width, height };
    const count = depth.length / (width * height);
    if (width !== this.size.width || height !== this.size.height || !Number.isInteger(count)) {
      throw new ShapeError(
        `DepthSpool.add: depth must be [F, ${this.size.height}, ${this.size.width}], got ${depth.length} values of ${width}x${height}`,
      );
    }
    const { least, most } = rangeOf(depth);
    this.least = Math.min(this.least, least);
    this.most = Math.max(this.most, most);
    try {
      // at the position where the last call ended
      await this.file.appendFile(new Uint8Array(depth.buffer, depth.byteOffset, depth.byteLength));
    } catch (cause) {
      throw writeFailure(this.path, cause);
    }
    this.numFrames += count;
  }

  /** The frames one by one, [H, W]. */
  async *frames(): AsyncGenerator<Float32Array> {
    const bytes = this.size.width * this.size.height * 4;
    for (let i = 0; i < this.numFrames; i++) {
      const frame = new Float32Array(bytes / 4);
      await this.file.read(new Uint8Array(frame.buffer), 0, bytes, i * bytes);
      yield frame;
    }
  }

  /** Removes the temporary file. */
  async close(): Promise<void> {
    await this.file.close();
    await this.place.discard();
  }
}
