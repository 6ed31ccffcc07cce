/** Groups the members of a shard into samples. */
import { basename, dirname, join } from 'node:path';
import { CAPTIONS, endingOf, isMedia } from './kinds.js';
import type { TarMember } from './tar.js';

export interface Group {
  /** `some/000123` */
  key: string;
  members: { member: TarMember /** `.mp4`, `.depth.png` */; ending: string }[];
}

/** The name up to its first dot; consecutive members with the same stem may share a key. */
export const stemOf = (name: string): string => join(dirname(name), basename(name).split('.')[0]!);

/**
 * Groups a run of consecutive members with the same name up to the first dot. In WebDataset that is the
 * key, so `7.seg.png` belongs to `7.jpg`. But file names contain other dots too: if the middle part does
 * not look like an extension (`clip 2.0 (final).png`, `22.05.png`), has a caption of its own, or there is
 * no picture with the bare key, then the key extends to the last dot.
 */
export function groupsOf(run: readonly TarMember[]): Group[] {
  const stem = stemOf(run[0]!.name);
  const parts = run.map((member) => ({ member, ...partsOf(member.name, stem) }));
  const hasPlain = parts.some(({ middle, ending }) => middle === '' && isSample(ending));
  const captioned = new Set(
    parts.flatMap(({ middle, ending }) => (CAPTIONS.includes(ending) ? middle : [])),
  );
  const groups = new Map<string, Group>();
  for (const { member, middle, ending } of parts) {
    const goesWithStem = hasPlain && IS_ENDING.test(middle) && !captioned.has(middle);
    const key = goesWithStem ? stem : `${stem}${middle}`;
    const group = groups.get(key) ?? { key, members: [] };
    groups.set(key, group);
    group.members.push({ member, ending: goesWithStem ? `${middle}${ending}` : ending });
  }
  return [...groups.values()];
}

/**
 * Splits the rest of a name after its stem into a middle ('', `.seg`, `.0 (final)`) and the extension.
 * `.mask.png`, `.target.mp4` and `.depth.png` are extensions of two parts.
 */
function partsOf(name: string, stem: string): { middle: string; ending: string } {
  const rest = join(dirname(name), basename(name)).slice(stem.length);
  const ending = /\.(mask|target|depth)\.\w+$/i.exec(rest)?.[0] ?? endingOf(rest);
  return { middle: rest.slice(0, rest.length - ending.length), ending: ending.toLowerCase() };
}

const IS_ENDING = /^(\.[a-z_][\w-]*)*$/i;
const isSample = (ending: string) => isMedia(ending) && ending.lastIndexOf('.') === 0;
