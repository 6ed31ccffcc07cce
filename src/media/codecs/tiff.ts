/**
 * Reads the tags of a TIFF file's first picture. Decoders silently misread some kinds of samples, and
 * cameras' raw files are TIFF files whose first picture is a small preview.
 * Source: TIFF 6.0 (Adobe, 1992); BigTIFF; DNG 1.7 for the tags of raw files
 */
import { InputError } from '../../errors.js';
import { NOT_READ, refusal } from './not-read.js';

export interface TiffFacts {
  /** pictures in the file, one after another */
  pages: number;
  /** there is one extra sample (a fourth beside RGB, a second beside gray) that is not marked as alpha */
  hasUnnamedSample: boolean;
}

const TAG = {
  kind: 254,
  bits: 258,
  compression: 259,
  photometric: 262,
  samples: 277,
  subIfds: 330,
  extraSamples: 338,
  sampleFormat: 339,
  dngVersion: 50706,
} as const;
const WANTED: ReadonlySet<number> = new Set(Object.values(TAG));

const PHOTOMETRIC = { ycbcr: 6, cielab: 8, colourFilter: 32803, logL: 32844, logLuv: 32845 };
const LINEAR_RAW = 34892;
const COMPRESSED_AS_JPEG = 7;
/** Bits of the tag `kind` (NewSubfileType). */
const REDUCED = 1;
const MASK = 4;
/** Bytes per value of each field type; the tags that are read use no others. */
const SIZES: Record<number, number> = { 1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8 };
/** Counting stops at this many pages. */
const MAX_PAGES = 10_000;

type Directory = Map<number, number[]>;

/**
 * The facts of a TIFF file; null if it has no readable directory, in which case the decoder refuses it.
 *
 * @throws InputError for a camera's raw file and for samples that decoders would misread
 */
export function tiffFacts(path: string, bytes: Buffer): TiffFacts | null {
  const file = new TiffFile(bytes);
  const first = file.directory(file.start);
  if (first === null) return null;
  const { tags } = first;
  expectPicture(path, bytes, tags, file);
  expectSamples(path, tags);
  const [photometric = 1] = tags.get(TAG.photometric) ?? [];
  const colours = photometric === 5 ? 4 : photometric === 2 || photometric >= 6 ? 3 : 1;
  const [samples = 1] = tags.get(TAG.samples) ?? [];
  const extra = tags.get(TAG.extraSamples);
  return {
    pages: file.pages(),
    hasUnnamedSample: samples === colours + 1 && extra !== undefined && extra[0] === 0,
  };
}

/** Refuses raw files, whose picture has to be developed first: a decoder would find only the preview. */
function expectPicture(path: string, bytes: Buffer, tags: Directory, file: TiffFile): void {
  const parts = (tags.get(TAG.subIfds) ?? []).map((offset) => file.directory(offset)?.tags);
  const isRaw =
    bytes.toString('latin1', 8, 10) === 'CR' ||
    tags.has(TAG.dngVersion) ||
    [tags, ...parts].some((part) =>
      [PHOTOMETRIC.colourFilter, LINEAR_RAW].includes(part?.get(TAG.photometric)?.[0] ?? 1),
    );
  if (isRaw) {
    throw new InputError(`${path}: ${refusal(NOT_READ.raw)}`);
  }
  if (((tags.get(TAG.kind)?.[0] ?? 0) & REDUCED) !== 0 && parts.length > 0) {
    throw new InputError(
      `${path}: begins with a small preview of its picture, which would be read in its place; export it as PNG`,
    );
  }
}

function expectSamples(path: string, tags: Directory): void {
  const bits = tags.get(TAG.bits)?.[0] ?? 1;
  const format = tags.get(TAG.sampleFormat)?.[0] ?? 1;
  const [photometric = 1] = tags.get(TAG.photometric) ?? [];
  const [compression = 1] = tags.get(TAG.compression) ?? [];
  const kind =
    format === 3
      ? bits !== 32 && `${bits}-bit floats`
      : format === 5 || format === 6
        ? 'complex numbers'
        : format === 2 && photometric !== PHOTOMETRIC.cielab
          ? `signed ${bits}-bit numbers`
          : ![1, 2, 4, 8, 16].includes(bits) && `${bits}-bit numbers`;
  if (kind) {
    throw new InputError(
      `${path}: is a TIFF of ${kind}, which are not read; convert it to 8 or 16 bits`,
    );
  }
  const colours =
    photometric === PHOTOMETRIC.ycbcr && compression !== COMPRESSED_AS_JPEG
      ? 'brightness and colour apart (YCbCr)'
      : photometric === PHOTOMETRIC.cielab && bits === 8
        ? 'CIELAB colours in 8 bits'
        : photometric === PHOTOMETRIC.logL || photometric === PHOTOMETRIC.logLuv
          ? 'logarithms of light (LogLuv)'
          : null;
  if (colours) {
    throw new InputError(
      `${path}: is a TIFF of ${colours}, which is not read; convert it to RGB in 8 or 16 bits`,
    );
  }
}

/** Reads directories of tags, never beyond the end of the file. */
class TiffFile {
  readonly start: number;
  private readonly little: boolean;
  private readonly big: boolean;

  constructor(private readonly bytes: Buffer) {
    this.little = bytes.toString('latin1', 0, 2) === 'II';
    this.big = this.number(2, 2) === 43;
    this.start = this.big ? this.number(8, 8) : this.number(4, 4);
  }

  /**
   * The wanted tags of the directory at `offset`, and the
   * offset of the next; null outside of the file.
   */
  directory(offset: number): { tags: Directory; next: number } | null {
    const { big, bytes } = this;
    const [countSize, entrySize] = big ? [8, 20] : [2, 12];
    if (!(offset > 0 && offset + countSize <= bytes.length)) return null;
    const count = this.number(offset, countSize);
    const end = offset + countSize + count * entrySize;
    if (!(end <= bytes.length)) return null;
    const tags: Directory = new Map();
    for (let at = offset + countSize; at < end; at += entrySize) {
      const tag = this.number(at, 2);
      if (WANTED.has(tag)) tags.set(tag, this.values(at));
    }
    return { tags, next: this.number(end, big ? 8 : 4) };
  }

  /** The number of pictures, not counting previews and transparency masks. */
  pages(): number {
    const seen = new Set<number>();
    let pages = 0;
    let next = this.start;
    while (!seen.has(next) && seen.size < MAX_PAGES) {
      const found = this.directory(next);
      if (found === null) break;
      seen.add(next);
      const [kind = 0] = found.tags.get(TAG.kind) ?? [];
      if ((kind & (REDUCED | MASK)) === 0) pages++;
      next = found.next;
    }
    return pages;
  }

  private values(entry: number): number[] {
    const { big, bytes } = this;
    const size = SIZES[this.number(entry + 2, 2)] ?? 0;
    const count = Math.min(this.number(entry + 4, big ? 8 : 4), 64);
    const inline = entry + (big ? 12 : 8);
    const at = size * count <= (big ? 8 : 4) ? inline : this.number(inline, big ? 8 : 4);
    if (size === 0 || at + size * count > bytes.length) return [];
    return Array.from({ length: count }, (_, i) => this.number(at + i * size, size));
  }

  /** 0 beyond the end of the file. */
  private number(at: number, size: number): number {
    const { bytes, little } = this;
    if (at + size > bytes.length) return 0;
    if (size === 8) {
      return Number(little ? bytes.readBigUInt64LE(at) : bytes.readBigUInt64BE(at));
    }
    return little ? bytes.readUIntLE(at, size) : bytes.readUIntBE(at, size);
  }
}
