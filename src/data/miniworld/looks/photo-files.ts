/** Photos from a data set, as textures for looks: found once, read where they are needed. */
import { relative } from 'node:path';
import { InputError } from '../../../errors.js';
import { readImage } from '../../../media/codecs/image.js';
import { resample } from '../../../media/pixels/resample.js';
import { withPath } from '../../sources/data-file.js';
import type { DataFile } from '../../sources/items.js';
import { readEntries } from '../../sources/manifest.js';
import { keyOf } from '../../store.js';
import { type Photo, photoOf } from './photo.js';

/** Photos of a data set, a tenth of them apart for validation. */
export interface PhotoFiles {
  train: DataFile[];
  heldOut: DataFile[];
}

/**
 * The pictures of a data set; clips and edits are passed over.
 *
 * @param path    as `readEntries` takes it
 * @param onSkip  called for each entry that cannot be used
 * @throws InputError if it cannot be read, or holds no picture
 */
export async function findPhotos(
  path: string,
  onSkip: (where: string, reason: string) => void = () => {},
): Promise<PhotoFiles> {
  const files: DataFile[] = [];
  for await (const entry of readEntries(path)) {
    if ('problem' in entry) {
      onSkip(entry.where, entry.problem.message);
      continue;
    }
    const { kind, media, target } = entry.item;
    if (kind !== 'clip' && target === null) files.push(media); // of an animation, its first frame
  }
  if (files.length === 0) {
    throw new InputError(`${path}: holds no pictures; give photos (.jpg, .png, .webp, …)`);
  }
  // by the name within the data set, so that the same photos are held out wherever it lies
  const isHeldOut = ({ name }: DataFile) =>
    Number.parseInt(keyOf('photo', relative(path, name)).slice(0, 6), 16) % 10 === 0;
  const train = files.filter((file) => !isHeldOut(file));
  // of very few there is none to spare
  return train.length === 0
    ? { train: files, heldOut: [] }
    : { train, heldOut: files.filter(isHeldOut) };
}

/** Photos are kept with at most this many pixels on the shorter side. */
const SIDE = 256;
/** Number of photos in memory, about a quarter of a megabyte each. */
const MOST_KEPT = 400;

/** Reads photos, and keeps those used last. */
export class PhotoShelf {
  private readonly kept = new Map<string, Promise<Photo>>();

  constructor(private readonly files: readonly DataFile[] = []) {}

  /** @throws InputError if the file cannot be read */
  get(index: number): Promise<Photo> {
    return this.of(this.files[index]!);
  }

  /** The same of a file that need not be one of those given. */
  of(file: DataFile): Promise<Photo> {
    const found = this.kept.get(file.name) ?? readPhoto(file);
    // one that cannot be read is tried again
    found.catch(() => this.kept.get(file.name) === found && this.kept.delete(file.name));
    this.kept.delete(file.name);
    this.kept.set(file.name, found);
    if (this.kept.size > MOST_KEPT) this.kept.delete(this.kept.keys().next().value!);
    return found;
  }
}

function readPhoto(file: DataFile): Promise<Photo> {
  return withPath(file, async (path) => {
    const { width, height, data } = await readImage(path);
    const scale = Math.min(1, SIDE / Math.min(width, height));
    const size = {
      width: Math.max(1, Math.round(width * scale)),
      height: Math.max(1, Math.round(height * scale)),
    };
    const layout = { count: 1, width, height, channels: 3 };
    return photoOf({ ...size, data: resample(data, layout, size, 'bilinear') });
  });
}
