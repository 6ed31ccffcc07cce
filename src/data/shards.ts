/** WebDataset shards: tar files in which members KEY.mp4, KEY.txt, KEY.json make one sample. */
import { basename, dirname, extname, join } from 'node:path';
import { InputError } from '../errors.js';
import { type DataFile, type Entry, type Row, toItem, toRow } from './items.js';
import { listTar, readTarText, type TarMember } from './tar.js';

export const IMAGE_ENDINGS: readonly string[] = [
  ...['.png', '.jpg', '.jpeg', '.webp', '.avif', '.tif', '.tiff'],
];
export const CLIP_ENDINGS: readonly string[] = [
  ...['.mp4', '.webm', '.mov', '.mkv', '.avi', '.m4v', '.gif'],
];

/**
 * `shard-{000000..000012}.tar` to thirteen names; other patterns to themselves.
 *
 * @throws InputError for a range that counts down
 */
export function expandBraces(pattern: string): string[] {
  const match = /^(.*?)\{(\d+)\.\.(\d+)\}(.*)$/s.exec(pattern);
  if (match === null) return [pattern];
  const [, before, first, last, after] = match as unknown as [string, ...string[]];
  if (Number(first) > Number(last)) {
    throw new InputError(`${pattern}: must count up, got {${first}..${last}}`);
  }
  return Array.from({ length: Number(last) - Number(first) + 1 }, (_, i) =>
    String(Number(first) + i).padStart(first!.length, '0'),
  ).flatMap((number) => expandBraces(`${before}${number}${after}`));
}

/**
 * The samples of a shard: neighbours that share a KEY, which ends at the first dot of the name.
 * KEY.txt is the caption; KEY.json may say `prompt` (or `caption`) and what a manifest says;
 * KEY.mask.*, KEY.target.* and KEY.depth.* come with it.
 */
export async function* readShard(path: string): AsyncGenerator<Entry> {
  let key: string | null = null;
  let members: TarMember[] = [];
  try {
    for await (const member of listTar(path)) {
      if (basename(member.name).startsWith('.')) continue; // what macOS adds
      const own = keyOf(member.name);
      if (own !== key && members.length > 0) {
        yield* sampleOf(path, key!, members);
        members = [];
      }
      key = own;
      members.push(member);
    }
  } catch (problem) {
    if (members.length > 0) yield* sampleOf(path, key!, members);
    if (!(problem instanceof InputError)) throw problem;
    yield { where: path, problem };
    return;
  }
  if (members.length > 0) yield* sampleOf(path, key!, members);
}

/** Finds members by their names, `some/shard.tar/KEY.mp4`; a shard is listed once. */
export class ShardIndex {
  private readonly shards = new Map<string, Promise<Map<string, TarMember>>>();

  /** null if no folder of the path is a tar. @throws InputError if the tar holds no such member */
  async find(path: string): Promise<DataFile | null> {
    const match = /^(.*?\.tar)\/(.+)$/s.exec(path);
    if (match === null) return null;
    const [, shard, name] = match as unknown as [string, string, string];
    let members = this.shards.get(shard);
    if (members === undefined) {
      members = membersOf(shard);
      this.shards.set(shard, members);
    }
    const member = (await members).get(name);
    if (member === undefined) {
      throw new InputError(`${shard}: holds no member "${name}"; check the name`);
    }
    return { name: path, path: shard, member };
  }
}

async function membersOf(shard: string): Promise<Map<string, TarMember>> {
  const members = new Map<string, TarMember>();
  for await (const member of listTar(shard)) members.set(member.name, member);
  return members;
}

/** `some/000123.depth.png` is of `some/000123`. */
const keyOf = (name: string) => join(dirname(name), basename(name).split('.')[0]!);

async function* sampleOf(path: string, key: string, members: TarMember[]): AsyncGenerator<Entry> {
  const where = `${path}/${key}`;
  // `.mp4`, `.depth.png`
  const rest = ({ name }: TarMember) => basename(name).slice(basename(key).length).toLowerCase();
  try {
    const row: Row = {};
    let caption: string | undefined;
    for (const member of members) {
      const ending = rest(member);
      const companion = /^\.(mask|target|depth)\.\w+$/.exec(ending)?.[1] as 'mask' | undefined;
      if (companion) row[companion] = member.name;
      else if (IMAGE_ENDINGS.includes(ending)) row.image ??= member.name;
      else if (CLIP_ENDINGS.includes(ending)) row.video ??= member.name;
      else if (ending === '.txt') caption = await readTarText(path, member);
      else if (ending === '.json') Object.assign(row, await statedIn(path, where, member));
    }
    // a sample of another kind (sound, classes) is not ours
    if (row.video === undefined && row.image === undefined) return;
    if (row.video !== undefined) delete row.image; // its preview
    const fileOf = async (name: string): Promise<DataFile> => ({
      name: `${path}/${name}`,
      path,
      member: members.find((member) => member.name === name)!,
    });
    const item = await toItem(where, { ...row, prompt: caption ?? row.prompt ?? '' }, fileOf);
    yield { where: item.media.name, item: { ...item, where: item.media.name } };
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    yield { where, problem };
  }
}

/** What KEY.json says; files are members, so names of files in it mean nothing here. */
async function statedIn(path: string, where: string, member: TarMember): Promise<Row> {
  let values: unknown;
  try {
    values = JSON.parse(await readTarText(path, member));
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const name = `${where}${extname(member.name)}`;
    throw new InputError(`${name}: must be JSON (${(cause as Error).message})`, { cause });
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) return {};
  const { caption, text, motionScore, sharpness, watermark, start, frames, fps, ...rest } =
    values as Record<string, unknown>;
  // in other people's shards the caption may be `caption` or `text`
  const prompt = rest.prompt ?? caption ?? (typeof text === 'string' ? text : undefined);
  const flags = { watermark, text: typeof text === 'string' ? undefined : text };
  return toRow(where, { prompt, motionScore, sharpness, start, frames, fps, ...flags });
}
