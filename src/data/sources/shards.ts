/**
 * Reads WebDataset shards: tar files in which the members
 * KEY.mp4, KEY.txt and KEY.json form a sample.
 */
import { basename } from 'node:path';
import { InputError } from '../../errors.js';
import { type DataFile, type Entry, type Row, toItem, toRow } from './items.js';
import { jsonRow } from './json-row.js';
import { fileKind, refusalOf } from './kinds.js';
import type { PassedOver } from './passed-over.js';
import { type Group, groupsOf, stemOf } from './shard-groups.js';
import { listTar, readTarText, type TarMember } from './tar.js';

/**
 * The samples of a shard: consecutive members that share a KEY, see `groupsOf`. KEY.txt is the
 * caption; KEY.json may hold `prompt` (or `caption`) and the other keys of a manifest; KEY.mask.*,
 * KEY.target.* and KEY.depth.* belong to the sample.
 *
 * @param passedOver  receives the members that do not become part of a sample
 */
export async function* readShard(path: string, passedOver: PassedOver): AsyncGenerator<Entry> {
  let run: TarMember[] = [];
  let samples = 0;
  let cutOff: string | null | undefined;
  async function* samplesOf(members: readonly TarMember[]): AsyncGenerator<Entry> {
    for (const group of members.length > 0 ? groupsOf(members) : []) {
      for await (const entry of sampleOf(path, group, passedOver)) {
        samples++;
        yield entry;
      }
    }
  }
  const told = {
    onOther: (name: string, kind: string) => passedOver.add(`${path}/${name}`, kind),
    onOpenEnd: () =>
      passedOver.remark(path, 'has no end mark, so it may be cut off between two members'),
    onCutOff: (name: string | null) => {
      cutOff = name;
    },
  };
  try {
    for await (const member of listTar(path, told)) {
      if (basename(member.name).startsWith('.')) continue; // files that macOS adds
      if (run.length > 0 && stemOf(member.name) !== stemOf(run[0]!.name)) {
        yield* samplesOf(run);
        run = [];
      }
      run.push(member);
    }
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    // the member that is cut off may belong to the last sample
    const isWhole =
      run.length > 0 && typeof cutOff === 'string' && stemOf(cutOff) !== stemOf(run[0]!.name);
    if (cutOff === undefined || isWhole) yield* samplesOf(run);
    const count = cutOff === undefined ? '' : ` (${samples} samples before it are whole)`;
    yield {
      where: path,
      problem: new InputError(`${problem.message}${count}`, { cause: problem }),
    };
    return;
  }
  yield* samplesOf(run);
}

/** Finds members by path, `some/shard.tar/KEY.mp4`; each shard is listed only once. */
export class ShardIndex {
  private readonly shards = new Map<string, Promise<Listed>>();

  /** null if the path does not lead into a .tar. @throws InputError if the tar has no such member */
  async find(path: string): Promise<DataFile | null> {
    const match = /^(.*?\.tar)\/(.+)$/s.exec(path);
    if (match === null) return null;
    const [, shard, name] = match as unknown as [string, string, string];
    let listed = this.shards.get(shard);
    if (listed === undefined) {
      listed = membersOf(shard);
      this.shards.set(shard, listed);
    }
    const { members, problem } = await listed;
    const member = members.get(name);
    if (member === undefined) {
      throw problem ?? new InputError(`${shard}: holds no member "${name}"; check the name`);
    }
    return { name: path, path: shard, member };
  }
}

interface Listed {
  members: Map<string, TarMember>;
  /** why the list may be incomplete */
  problem: InputError | null;
}

async function membersOf(shard: string): Promise<Listed> {
  const members = new Map<string, TarMember>();
  try {
    for await (const member of listTar(shard)) members.set(member.name, member);
    return { members, problem: null };
  } catch (problem) {
    if (problem instanceof InputError) return { members, problem };
    throw problem;
  }
}

/** The item of a group, or its problem; nothing for samples of other kinds (sound, class labels). */
async function* sampleOf(
  path: string,
  { key, members }: Group,
  passedOver: PassedOver,
): AsyncGenerator<Entry> {
  const where = `${path}/${key}`;
  try {
    const { row, used, refused } = await rowOf(path, where, members);
    const isOurs = row.video !== undefined || row.image !== undefined;
    if (!isOurs && refused) {
      throw new InputError(`${path}/${refused.name}: ${refusalOf(refused.name)}`);
    }
    for (const { member, ending } of members) {
      if (fileKind(ending) === 'sidecar' && (isOurs || ending !== '.json')) continue;
      if (!isOurs || !used.includes(member)) {
        passedOver.add(`${path}/${member.name}`, ending || undefined);
      }
    }
    if (!isOurs) return;
    const fileOf = async (name: string): Promise<DataFile> => ({
      name: `${path}/${name}`,
      path,
      member: used.find((member) => member.name === name)!,
    });
    const item = await toItem(where, row, fileOf);
    yield { where: item.media.name, item: { ...item, where: item.media.name } };
  } catch (problem) {
    if (!(problem instanceof InputError)) throw problem;
    yield { where, problem };
  }
}

/** The row formed by the members of a group, the members it uses, and a member of an unsupported kind. */
async function rowOf(path: string, where: string, members: Group['members']) {
  const row: Row = {};
  const used: TarMember[] = [];
  let caption: string | undefined;
  let refused: TarMember | null = null;
  for (const { member, ending } of members) {
    const role = roleOf(ending);
    if (role === 'caption' && caption === undefined) {
      caption = await readTarText(path, member);
    } else if (role === 'json') {
      const name = `${where}.json`;
      const values = jsonRow(name, await readTarText(path, member), '{"prompt": "a cat"}');
      Object.assign(row, toRow(name, values, { files: false }));
    } else if (role === 'refused') {
      refused = member;
      continue;
    } else if (role === null || role === 'caption' || row[role] !== undefined) {
      continue;
    } else {
      row[role] = member.name;
    }
    used.push(member);
  }
  if (row.video !== undefined) delete row.image; // its preview
  return { row: { ...row, prompt: caption ?? row.prompt ?? '' }, used, refused };
}

type Role = 'video' | 'image' | 'mask' | 'target' | 'depth' | 'caption' | 'json' | 'refused';

/** The role of a member; null if it is not used. */
function roleOf(ending: string): Role | null {
  const companion = /^\.(mask|target|depth)\.\w+$/.exec(ending)?.[1];
  if (companion !== undefined) return companion as 'mask' | 'target' | 'depth';
  if (ending.lastIndexOf('.') > 0) return null; // `.seg.png`
  if (ending === '.json') return 'json';
  const kind = fileKind(ending);
  if (kind === 'clip') return 'video';
  return kind === 'image' || kind === 'caption' || kind === 'refused' ? kind : null;
}
