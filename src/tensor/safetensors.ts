/**
 * Reads and writes safetensors files: an 8-byte little-endian header length, a JSON header, raw
 * little-endian data. Reading maps the file into memory, so opening takes milliseconds whatever the
 * size, and weights are paged in when they are used.
 *
 * Source: the format's description, safetensors README
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { InputError, JobError, MfmError } from '../errors.js';
import { operator, wrap } from './dispatch.js';
import { bytesPerElement, type DType, dtypeCode, safetensorsName } from './dtype.js';
import { native } from './native.js';
import { readSafetensorsHeader, type SafetensorsEntry } from './safetensors-header.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

const mapped = operator('safetensors');

/** An open file. Tensors obtained from it stay valid after `close`. */
export class SafetensorsFile {
  /** free-form strings from the header's `__metadata__` */
  readonly metadata: Record<string, string>;
  readonly #entries: Map<string, SafetensorsEntry>;
  readonly #mapping: number;

  constructor(
    readonly path: string,
    mapping: number,
    entries: Map<string, SafetensorsEntry>,
    metadata: Record<string, string>,
  ) {
    this.#mapping = mapping;
    this.#entries = entries;
    this.metadata = metadata;
  }

  keys(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /** Dtype and shape without touching the data. @throws InputError if there is no such tensor */
  info(name: string): { dtype: DType; shape: number[] } {
    const { dtype, shape } = this.#entry(name);
    return { dtype, shape };
  }

  /** The tensor over the mapped file; writing to it does not change the file. */
  get(name: string): Tensor {
    const { dtype, shape, offset } = this.#entry(name);
    return wrap(native.mappedTensor(this.#mapping, offset, shape, dtypeCode(dtype)), mapped);
  }

  close(): void {
    native.unmapFile(this.#mapping);
  }

  #entry(name: string): SafetensorsEntry {
    const entry = this.#entries.get(name);
    if (!entry) throw new InputError(`${this.path}: has no tensor "${name}"`);
    return entry;
  }
}

/** Maps a file. @throws InputError if it cannot be read or is incomplete */
export function openSafetensors(path: string): SafetensorsFile {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) throw new InputError(`${path}: no such file`);
  if (!stats.isFile()) throw new InputError(`${path}: is not a file`);
  const [mapping, sizeBytes] = native.mapFile(path);
  try {
    const { entries, metadata } = readSafetensorsHeader(
      path,
      sizeBytes,
      (offset, length) => new Uint8Array(native.mappedBytes(mapping, offset, length)),
    );
    return new SafetensorsFile(path, mapping, entries, metadata);
  } catch (error) {
    native.unmapFile(mapping);
    throw error;
  }
}

/**
 * Checks that mapped files still have the length they had when opened. If less than a page is cut
 * off a file's end, the system raises no signal, and whatever was computed from it is wrong.
 * @throws JobError naming the file that was cut off
 */
export function expectMappedWhole(): void {
  const problem = native.cutFile();
  if (problem !== '') throw new JobError(problem);
}

/** A tensor to store, or one that `detach` creates only when it is about to be written. */
export type Storable = Pick<Tensor, 'dtype' | 'shape' | 'numel' | 'detach'>;

/**
 * Writes tensors to a file, atomically: a temporary file beside it is renamed at the end, so after
 * a crash or on a full disk the previous file is still there.
 * @throws JobError if it cannot be written
 */
export function saveSafetensors(
  path: string,
  tensors: Record<string, Storable> | ReadonlyMap<string, Storable>,
  metadata?: Record<string, string>,
): void {
  // widest elements first, so that every tensor is aligned
  const entries = [...(tensors instanceof Map ? tensors : Object.entries(tensors))]
    .map(([name, tensor]) => ({ name, tensor, dtype: tensor.dtype }))
    .sort((a, b) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const { name, tensor, dtype } of entries) {
    const end = offset + tensor.numel * bytesPerElement(dtype);
    header[name] = {
      dtype: safetensorsName(dtype),
      shape: tensor.shape,
      data_offsets: [offset, end],
    };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const start = new Uint8Array(8 + headerBytes).fill(0x20); // padded with spaces
  new DataView(start.buffer).setBigUint64(0, BigInt(headerBytes), true);
  start.set(text, 8);

  const temporary = `${path}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(path), { recursive: true });
    const file = openSync(temporary, 'w');
    try {
      writeAll(file, start);
      for (const { tensor } of entries) {
        tidy(() => {
          const data = tensor.detach().to('cpu').contiguous();
          if (data.numel > 0) writeTensor(file, data);
        });
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (cause) {
    removeQuietly(temporary);
    if (cause instanceof MfmError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    const reason = code === 'ENOSPC' ? 'the disk is full' : (cause as Error).message;
    throw new JobError(`${path}: could not be written (${reason})`, { cause });
  }
}

/** @throws JobError if the tensor lies in a mapped file that was cut off */
function writeTensor(file: number, { handle }: Tensor): void {
  const expectWhole = () => {
    const problem = native.cutFile(handle);
    if (problem !== '') throw new JobError(problem);
  };
  try {
    // a view of the memory instead would keep every tensor until the event loop's next turn
    const failure = native.writeTensor(handle, file);
    if (failure !== 0) throw systemError(failure);
  } catch (error) {
    expectWhole(); // the system's own error is only "bad address"
    throw error;
  }
  expectWhole();
}

/** What Node.js throws for this error number. */
function systemError(number: number): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-number) ?? [`error ${number}`, 'unknown'];
  return Object.assign(new Error(`${code}: ${text}, write`), { code });
}

/** Swallows its own errors: the one that led here is the one to report. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // part of the path is not a folder, so there is nothing to remove
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.length) {
    done += writeSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30));
  }
}
