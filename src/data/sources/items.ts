/** The items of a data set, independent of how it is stored, and their construction from rows. */
import { InputError } from '../../errors.js';
import { didYouMean } from '../../suggest.js';
import { shown } from './json-row.js';
import type { TarMember } from './tar.js';
import { expectText } from './text.js';

/** A file on disk, or a member of a tar on disk. */
export interface DataFile {
  /** name for messages: `a.mp4`, `shard-000000.tar/a.mp4` */
  name: string;
  path: string;
  member: TarMember | null;
}

/** One sample before it is opened. */
export interface DataItem {
  /** `manifest.jsonl:3`, or the file's own name */
  where: string;
  /** 'either': depends on the content of the file */
  kind: 'image' | 'clip' | 'either';
  /** the picture or clip; if there is a `target`, the source of the edit */
  media: DataFile;
  /** the result of an edit, whose instruction is `prompt` */
  target: DataFile | null;
  mask: DataFile | null;
  depth: DataFile | null;
  prompt: string;
  /** if the row has no caption: unknown keys with text, one of which may have been meant as caption */
  unread?: string[];
  /** the part of the file to use; empty: all of it */
  part: { start?: number; frames?: number; fps?: number };
  /** values that the data set states, so that they need not be measured */
  stated: { motionScore?: number; sharpness?: number; watermark: boolean; text: boolean };
}

/** An item, or the problem with the entry at that place. */
export type Entry = { where: string; item: DataItem } | { where: string; problem: InputError };

export const FILE_KEYS = ['video', 'image', 'mask', 'target', 'depth'] as const;
const NUMBER_KEYS = ['start', 'frames', 'fps', 'motionScore', 'sharpness'] as const;
const FLAG_KEYS = ['watermark', 'text'] as const;
/**
 * Keys of the caption, of which the first one present is
 * used; `text` counts only if it is not a flag.
 */
const CAPTION_KEYS = ['prompt', 'caption', 'text'] as const;
const KEYS: readonly string[] = [
  ...new Set([...FILE_KEYS, ...CAPTION_KEYS, ...NUMBER_KEYS, ...FLAG_KEYS]),
];
/** Keys that `data prepare` adds for people; they are ignored like other unknown keys. */
const NOTES = ['width', 'height', 'numFrames', 'colourful', 'source'];

/** The values of a row by key; files are still names. */
export type Row = { [K in (typeof FILE_KEYS)[number]]?: string } & {
  [K in (typeof NUMBER_KEYS)[number]]?: number;
} & { [K in (typeof FLAG_KEYS)[number]]?: boolean } & {
  prompt?: string;
  /** unknown keys with text */
  unread?: string[];
};

/**
 * Checks the values of a JSON line or a CSV record. `motion_score` is accepted for `motionScore`; unknown
 * keys are ignored, unless one looks like a misspelt known key.
 *
 * @param where  starts the error message
 * @param files  false inside a shard: file names are ignored, and unknown keys are never an error
 * @throws InputError for a value of the wrong type or range, or a misspelt key
 */
export function toRow(
  where: string,
  values: Record<string, unknown>,
  { files = true }: { files?: boolean } = {},
): Row {
  const row: Record<string, unknown> = {};
  const captions: Record<string, string> = {};
  const unread: string[] = [];
  for (const [given, value] of Object.entries(values)) {
    const key = KEYS.find((known) => plain(known) === plain(given));
    if (key === undefined) {
      const hint = NOTES.includes(given) || !files ? '' : didYouMean(given, KEYS);
      if (hint !== '') throw new InputError(`${where}: unknown key "${given}"${hint}`);
      if (!NOTES.includes(given) && typeof value === 'string' && value !== '') unread.push(given);
    } else if (value === undefined || value === null || value === '') {
      // counts as absent
    } else if (isCaptionKey(key) && !(key === 'text' && isFlag(value))) {
      captions[key] = captionIn(where, key, value);
    } else if (files || !(FILE_KEYS as readonly string[]).includes(key)) {
      row[key] = checked(where, key, value);
    }
  }
  const first = CAPTION_KEYS.find((key) => captions[key] !== undefined);
  return { ...row, ...(first ? { prompt: captions[first] } : {}), unread } as Row;
}

const isCaptionKey = (key: string) => (CAPTION_KEYS as readonly string[]).includes(key);

function captionIn(where: string, key: string, value: unknown): string {
  if (typeof value === 'string') return value;
  const rule = key === 'text' ? 'the caption, or true or false (writing in the picture)' : 'text';
  throw new InputError(`${where}: "${key}" must be ${rule}, got ${shown(value)}`);
}

/**
 * Makes an item from a row.
 *
 * @param fileOf  finds a file by the name in the row
 * @throws InputError unless the row names exactly one picture or clip
 */
export async function toItem(
  where: string,
  row: Row,
  fileOf: (name: string) => Promise<DataFile>,
): Promise<DataItem> {
  const { video, image, mask, target, depth, prompt = '', start, frames, fps, ...others } = row;
  const { unread = [], ...stated } = others;
  if ((video === undefined) === (image === undefined)) {
    const keys = unread.length > 0 ? ` but ${namesOf(unread)}` : '';
    throw new InputError(
      `${where}: must name a "video" or an "image", got ${video === undefined ? `neither${keys}` : 'both'}`,
    );
  }
  expectText(`${where}: its caption`, prompt);
  const find = async (name?: string) => (name === undefined ? null : await fileOf(name));
  return {
    where,
    kind: video === undefined ? 'image' : 'clip',
    media: await fileOf((video ?? image)!),
    target: await find(target),
    mask: await find(mask),
    depth: await find(depth),
    prompt: prompt.trim(),
    ...(prompt.trim() === '' && unread.length > 0 ? { unread } : {}),
    part: {
      ...(start === undefined ? {} : { start }),
      ...(frames === undefined ? {} : { frames }),
      ...(fps === undefined ? {} : { fps }),
    },
    stated: { watermark: false, text: false, ...stated },
  };
}

/** Lists the first few keys: `"a", "b", …`. */
export function namesOf(keys: readonly string[]): string {
  const names = keys.slice(0, 5).map(shown);
  return keys.length > names.length ? `${names.join(', ')}, …` : names.join(', ');
}

const plain = (key: string) => key.toLowerCase().replace(/[-_ ]/g, '');

const isFlag = (value: unknown): boolean =>
  typeof value === 'boolean' || [0, 1, '0', '1', 'true', 'false'].includes(value as string);

/** Checks one value. CSV holds only text, so a number or a flag may be given as text. */
function checked(where: string, key: string, value: unknown): string | number | boolean {
  const got = shown(value);
  if ((NUMBER_KEYS as readonly string[]).includes(key)) {
    const number = typeof value === 'string' ? Number(value) : value;
    const rule = {
      frames: 'a whole number above 0',
      fps: 'a number above 0',
    }[key];
    const isNumber = typeof number === 'number' && Number.isFinite(number) && number >= 0;
    const fits =
      key === 'frames' ? Number.isInteger(number) && number !== 0 : key !== 'fps' || number !== 0;
    if (isNumber && fits) return number;
    throw new InputError(`${where}: "${key}" must be ${rule ?? 'a number, 0 or more'}, got ${got}`);
  }
  if ((FLAG_KEYS as readonly string[]).includes(key)) {
    if (isFlag(value)) return value === true || value === 1 || value === 'true' || value === '1';
    throw new InputError(`${where}: "${key}" must be true or false, got ${got}`);
  }
  if (typeof value === 'string') return value;
  throw new InputError(`${where}: "${key}" must be text, got ${got}`);
}
