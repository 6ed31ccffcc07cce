/** Reads data sets that are a folder of pictures and clips, or of shards. */
import { statSync } from 'node:fs';
import { InputError } from '../../errors.js';
import { sniff } from '../../media/codecs/sniff.js';
import { Captions, stemOf } from './beside.js';
import { type FolderFile, folderFiles, placeOf } from './folder-files.js';
import { type DataFile, type Entry, toItem } from './items.js';
import { endingOf, fileKind, isMedia, refusalOf } from './kinds.js';
import type { PassedOver } from './passed-over.js';
import { readShard } from './shards.js';
import { readText } from './text.js';

/** First the samples of the shards, then pictures and clips, each sorted by name. */
export async function* folderEntries(path: string, passedOver: PassedOver): AsyncGenerator<Entry> {
  const files = await folderFiles(path);
  const shards = files.filter(({ path: file }) => fileKind(file) === 'shard');
  for (const shard of shards) {
    if (shard.problem === null) yield* readShard(shard.path, passedOver);
    else yield problemAt(shard.path, shard.problem);
  }
  yield* mediaEntries(await mediaOf(files, passedOver, shards.length > 0), passedOver);
}

/** Pictures and clips with their captions and masks; unreadable ones become entries with a problem. */
export async function* mediaEntries(
  files: readonly FolderFile[],
  passedOver: PassedOver,
): AsyncGenerator<Entry> {
  const captions = new Captions();
  const stems = new Set(files.map(({ path }) => stemOf(path).toLowerCase()));
  const masks = new Map<string, string>();
  const isMask = (path: string): boolean => {
    const stem = stemOf(path).toLowerCase();
    return stem.endsWith(MASK) && stems.has(stem.slice(0, -MASK.length));
  };
  for (const { path } of files) if (isMask(path)) masks.set(stemOf(path).toLowerCase(), path);
  for (const { path, problem } of onlyOnce(files, captions, passedOver)) {
    if (isMask(path)) continue;
    if (problem !== null) yield problemAt(path, problem);
    else
      yield await mediaEntry(
        path,
        captions.of(path),
        masks.get(`${stemOf(path).toLowerCase()}${MASK}`),
      );
  }
}

/** NAME_mask.png is the mask of NAME.jpg. */
const MASK = '_mask';

async function mediaEntry(video: string, caption: string | null, mask?: string): Promise<Entry> {
  const fileOf = async (path: string): Promise<DataFile> => ({ name: path, path, member: null });
  try {
    const prompt = caption === null ? '' : await captionIn(caption);
    const item = await toItem(video, { video, prompt, ...(mask ? { mask } : {}) }, fileOf);
    return { where: video, item: { ...item, kind: 'either' } };
  } catch (problem) {
    if (problem instanceof InputError) return { where: video, problem };
    throw problem;
  }
}

async function captionIn(path: string): Promise<string> {
  try {
    return await readText(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (cause instanceof InputError || code === undefined) throw cause;
    throw new InputError(`${path}: cannot be read (${message})`, { cause });
  }
}

/** Pictures and clips, recognised by extension or else by content; other files are counted as skipped. */
async function mediaOf(
  files: readonly FolderFile[],
  passedOver: PassedOver,
  hasShards: boolean,
): Promise<FolderFile[]> {
  const media: FolderFile[] = [];
  for (const file of files) {
    const { path, problem } = file;
    const kind = fileKind(path);
    if (kind === 'refused') media.push({ ...file, problem: refusalOf(path) });
    else if (isMedia(path) && !(await isSourceCode(file))) media.push(file);
    else if (kind === 'other' && problem === null && (await holdsMedia(path))) media.push(file);
    else if (endingOf(path) === '' && problem !== null) media.push(file);
    else if (kind === 'other' || isMedia(path)) passedOver.add(path);
    else if (LISTS.includes(endingOf(path)) && !hasShards) {
      passedOver.remark(
        path,
        'is not read, as the list of a folder is called manifest.jsonl; rename it, or name it instead of the folder',
      );
    }
  }
  return media;
}

/**
 * Extensions of other lists: only manifest.jsonl is read, but
 * the user may have expected one of these.
 */
const LISTS = ['.jsonl', '.csv', '.tsv'];

/** The extension `.ts` is used by MPEG transport streams and by TypeScript. */
async function isSourceCode({ path, problem }: FolderFile): Promise<boolean> {
  if (endingOf(path) !== '.ts' || problem !== null) return false;
  return sniff(path).then(
    () => false,
    (cause) => cause instanceof InputError && /holds text/.test(cause.message),
  );
}

async function holdsMedia(path: string): Promise<boolean> {
  try {
    const kind = await sniff(path);
    return kind === 'still' || kind === 'animation' || kind === 'video';
  } catch (cause) {
    if (cause instanceof InputError) return false;
    throw cause;
  }
}

/**
 * If links give one file several names, keeps the names that
 * have captions of their own, else one name.
 */
function onlyOnce(
  files: readonly FolderFile[],
  captions: Captions,
  passedOver: PassedOver,
): readonly FolderFile[] {
  if (!files.some(({ isLink, problem }) => isLink && problem === null)) return files;
  const same = new Map<string, FolderFile[]>();
  for (const file of files) {
    if (file.problem !== null) continue;
    const found = statSync(file.path, { throwIfNoEntry: false });
    const place = file.place ?? (found ? placeOf(found) : file.path);
    same.set(place, [...(same.get(place) ?? []), file]);
  }
  const dropped = new Set<FolderFile>();
  for (const group of same.values()) {
    if (group.length === 1 || !group.some(({ isLink }) => isLink)) continue;
    const captioned = group.filter(({ path }) => captions.of(path) !== null);
    const named = group.filter(({ path }) => isMedia(path));
    const [kept = group] = [captioned, named.slice(0, 1), group.slice(0, 1)].filter(
      ({ length }) => length > 0,
    );
    for (const file of group) if (!kept.includes(file)) dropped.add(file);
  }
  for (const { path } of dropped) passedOver.add(path, 'link');
  return files.filter((file) => !dropped.has(file));
}

const problemAt = (path: string, problem: string): Entry => ({
  where: path,
  problem: new InputError(`${path}: ${problem}`),
});
