/** Converts pictures and clips that a program gives to what the pipeline reads. */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../errors.js';
import { expectFrames, type MediaSource } from '../media/index.js';

/**
 * Pixels in memory, [F, H, W, 3]: red, green and blue from 0 to 255, row by row, frame by frame.
 *
 * ```ts
 * const gray: RawFrames = { width: 2, height: 1, data: new Uint8Array(6).fill(128) };
 * ```
 */
export interface RawFrames {
  width: number;
  height: number;
  /** default: 1 */
  numFrames?: number;
  data: Uint8Array | Uint8ClampedArray;
  /** frames per second of a clip; default: the pipeline's */
  fps?: number;
}

/**
 * A picture or a clip: the path of a file or of a folder of pictures, a `file:` URL, the bytes of a
 * file, or raw frames. Raw frames have no sound, and are read when the result is generated: do not
 * change them before that.
 *
 * ```ts
 * const inputs: MediaInput[] = ['photo.jpg', await readFile('photo.jpg'), new Blob([bytes])];
 * ```
 */
export type MediaInput = string | URL | Uint8Array | Blob | RawFrames;

const isBytes = (input: MediaInput): input is Uint8Array | Blob =>
  input instanceof Uint8Array || input instanceof Blob;

/** The path of an input that is a file or a folder; null for any other. */
export function pathOf(input: MediaInput): string | null {
  if (typeof input === 'string') return input;
  return input instanceof URL ? fileURLToPath(input) : null;
}

/** An input as a result's settings store it: its path, or a hash of its bytes. */
export async function inputInJson(input: MediaInput): Promise<string> {
  const path = pathOf(input);
  if (path !== null) return path;
  const hash = createHash('sha256');
  if (isBytes(input)) return `sha256:${hash.update(await bytesOf(input)).digest('hex')}`;
  const { width, height, numFrames = 1, data } = input as RawFrames;
  hash.update(`${width}x${height}x${numFrames}\n`).update(data);
  return `sha256:${hash.digest('hex')}`;
}

const bytesOf = async (input: Uint8Array | Blob): Promise<Uint8Array> =>
  input instanceof Blob ? new Uint8Array(await input.arrayBuffer()) : input;

/** Temporary folders, which exist until they are closed or the program ends. */
const folders = new Set<string>();

function removeAll(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

/**
 * The inputs of one result. As ffmpeg reads files, encoded bytes are written to a private temporary
 * folder, which exists until `close`.
 */
export class OpenInputs {
  private folder: string | null = null;
  /** what messages call each temporary file */
  private readonly names = new Map<string, string>();
  /** the option of each input, by the name that messages use */
  private readonly options = new Map<string, string>();

  /**
   * Converts an input to what the pipeline reads.
   * @param name   what messages call an input that has no path
   * @throws InputError for raw frames whose data does not match their size
   */
  async open(input: MediaInput, name: string): Promise<MediaSource> {
    const path = pathOf(input);
    this.options.set(path ?? name, name);
    if (path !== null) return path;
    if (isBytes(input)) return this.write(await bytesOf(input), name);
    return mediaOf(input as RawFrames, name);
  }

  private async write(bytes: Uint8Array, name: string): Promise<string> {
    if (this.folder === null) {
      this.folder = await mkdtemp(join(tmpdir(), 'mfm-input-'));
      if (folders.size === 0) process.once('exit', removeAll);
      folders.add(this.folder);
    }
    const path = join(this.folder, String(this.names.size) + endingOf(bytes));
    await writeFile(path, bytes, { mode: 0o600 });
    this.names.set(path, name);
    return path;
  }

  /** Is this path a temporary file? */
  isTemporary(path: string): boolean {
    return this.names.has(path);
  }

  /** A sentence with the paths of temporary files replaced by the names of the inputs. */
  inWords(sentence: string): string {
    let text = sentence;
    // the last first, as the path of the first begins that of the tenth
    for (const [path, name] of [...this.names].reverse()) text = text.replaceAll(path, name);
    return text;
  }

  /** The option that a sentence is about, if it begins with the name of an input. */
  optionOf(sentence: string): string | undefined {
    const [, option] = [...this.options].find(([name]) => sentence.startsWith(`${name}: `)) ?? [];
    return option;
  }

  /** Removes the temporary files. */
  async close(): Promise<void> {
    const { folder } = this;
    if (folder === null) return;
    this.folder = null;
    await rm(folder, { recursive: true, force: true });
    folders.delete(folder);
    if (folders.size === 0) process.off('exit', removeAll);
  }
}

/** Depth tensors are recognised by their file extension, all other files by their first bytes. */
function endingOf(bytes: Uint8Array): string {
  const isSafetensors = bytes.length > 9 && bytes[7] === 0 && bytes[8] === 0x7b; // {
  return isSafetensors ? '.safetensors' : '';
}

function mediaOf(input: RawFrames, name: string): MediaSource {
  const { width, height, numFrames = 1, data, fps = null } = input;
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new InputError(
      `${name}: must be a path, the bytes of a file as Uint8Array or Blob, or raw frames { width, height, numFrames, data }`,
      { field: name },
    );
  }
  if (fps !== null && !(fps > 0)) {
    throw new InputError(`${name}: fps must be above 0, got ${fps}`, { field: name });
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
  const frames = { width, height, numFrames, data: bytes };
  expectFrames(name, frames);
  const kind = numFrames > 1 ? 'video' : 'image';
  return {
    ...frames,
    path: name,
    kind,
    fps: kind === 'video' ? fps : null,
    alpha: null,
    notes: [],
  };
}
