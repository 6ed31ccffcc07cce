/** The jobs of a command: one result, or one for every line of a list and every sample. */
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, type Stats, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { csvRecords } from '../../../data/sources/csv.js';
import { jsonRow, shown } from '../../../data/sources/json-row.js';
import { fileKind, isMedia } from '../../../data/sources/kinds.js';
import { PassedOver } from '../../../data/sources/passed-over.js';
import { decodeText } from '../../../data/sources/text.js';
import { InputError } from '../../../errors.js';
import { expectPlace, holdsResults, resultsLeftOut } from '../../../files/output-place.js';
import { readRegularSync } from '../../../files/regular-file.js';
import { type Seed, seedAfter } from '../../../seed.js';
import { type Task, taskOfLength } from '../../../tasks/task.js';
import { flagName, parseArgs } from '../../terminal/args.js';
import { type GenerateOptions, type ResultOptions, rowArgs } from './options.js';
import { parseKnown, withFiles as withPlacedFiles } from './placed-options.js';
import { filesOf, listsOf, sizeOf } from './reference-options.js';

/** One result to generate. */
export interface Job {
  /** `prompts.txt:3`, or '' */
  where: string;
  options: ResultOptions;
  seed: Seed;
  output: string;
}

export async function oneJob(task: Task, options: GenerateOptions): Promise<Job> {
  const { outputKind } = await import('../../../media/index.js');
  const seed = isNew(options.seed) ? randomInt(2 ** 31) : options.seed!;
  const made = taskOfLength(task, options.frames);
  const extension = await extensionOf(made, options);
  const output = options.output ?? join(options.outputDir ?? '', `${task.id}-${seed}.${extension}`);
  if (options.ext !== undefined && options.output !== undefined) {
    throw new InputError(`--ext: the name ${output} already has an extension; leave out --ext`);
  }
  if (output === '-' || output.startsWith('/dev/')) expectPlace(output);
  if (outputKind(output) !== made.result) {
    throw new InputError(
      `${output}: ${inWords(made, task)} makes ${made.result === 'image' ? 'an image' : `a clip${task.placed ? ', or an image with --frames 1' : ''}`}; name a file that ends in .${extension}`,
    );
  }
  return { where: '', options: withFiles(options), seed, output };
}

/** A task in messages about its result: a mixture may make an image or a clip. */
const inWords = (made: Task, task: Task): string =>
  made.result === task.result ? task.id : `${task.id} with --frames 1`;

/** All samples of every row; the command line gives the options that a row does not set. */
export async function manyJobs(task: Task, options: GenerateOptions): Promise<Job[]> {
  const onNote = (note: string) => process.stderr.write(`${note}\n`);
  const folder = options.outputDir ?? options.output ?? `${task.id}-results`;
  const size = sizeOf(options);
  const lists = listsOf(task.id, options);
  const rows =
    lists.length === 0
      ? [{ where: '', words: [] }]
      : lists.flatMap((list) =>
          readJobs(list, { masks: task.mask !== 'none', results: folder, onNote }),
        );
  const jobs: Job[] = [];
  let takesPrompt = lists.length === 0 || options.prompt === undefined;
  for (const [index, { where, words }] of rows.entries()) {
    const row = parseArgs(where, rowArgs, words);
    takesPrompt ||= row.prompt === undefined;
    const input = row.input.length > 0 ? row.input : options.input;
    const depth = row.depth.length > 0 ? row.depth : options.depth;
    const known = row.known.length > 0 ? row.known : options.known;
    const merged = withFiles({
      ...options,
      ...row,
      input,
      depth,
      known,
      height: undefined,
      width: undefined,
      size: sizeOf(row, `${where}: `) ?? size,
    });
    for (const part of row.known) parseKnown(part, `${where}: --known`);
    if (lists.length > 0 && isNew(merged.seed ?? 0)) {
      throw new InputError(
        `${where}: --seed -1 draws a random seed each time, with which a batch could not be resumed; give a seed of 0 or more`,
      );
    }
    const first = isNew(merged.seed ?? 0) ? randomInt(2 ** 31) : (merged.seed ?? 0);
    const made = taskOfLength(task, merged.frames);
    const extension = await extensionOf(made, options);
    const stem = resultName(index, options.simpleName ? {} : merged);
    for (let sample = 0; sample < options.samples; sample++) {
      const seed = seedAfter(first, sample);
      const suffix = options.samples > 1 ? `-${seed}` : '';
      const output = join(folder, `${stem}${suffix}.${extension}`);
      jobs.push({ where, options: merged, seed, output });
    }
  }
  if (!takesPrompt) {
    throw new InputError('-p: all lines of the batch have prompts of their own; leave it out');
  }
  if (isMedia(folder) && !existsSync(folder)) {
    throw new InputError(
      `${folder}: several results go into a folder; name one, such as ${folder.slice(0, -extname(folder).length)}`,
    );
  }
  return jobs;
}

/** Should a random seed be drawn? -1 asks for one, as in other programs. */
const isNew = (seed: Seed | undefined): boolean => seed === undefined || seed === -1;

/** Options with size and files in one form, however they were given. */
const withFiles = (options: ResultOptions): ResultOptions => ({
  ...options,
  size: sizeOf(options),
  input: options.input.flatMap(filesOf),
});

/** The extension of a result's file, without the dot. */
async function extensionOf(
  { id, result }: Task,
  { ext, output, outputDir }: GenerateOptions,
): Promise<string> {
  if (output !== undefined && outputDir !== undefined) {
    throw new InputError(
      '--output-dir: the place is already given by --output; leave one of them out',
    );
  }
  if (ext === undefined) return result === 'image' ? 'png' : 'mp4';
  const { IMAGE_FORMATS, VIDEO_FORMATS } = await import('../../../media/index.js');
  const endings: readonly string[] = result === 'image' ? IMAGE_FORMATS : VIDEO_FORMATS;
  const wanted = `.${ext.replace(/^\./, '').toLowerCase()}`;
  if (!endings.includes(wanted)) {
    throw new InputError(
      `--ext: ${id} makes ${result === 'image' ? 'an image' : 'a clip'}, which ends in ${endings.join(', ')}, got "${ext}"`,
    );
  }
  return wanted.slice(1);
}

/** A job as the words of a command line, and the place where it was read. */
export interface JobRow {
  /** `prompts.txt:3` */
  where: string;
  words: string[];
}

/**
 * Reads jobs: a text file with a prompt on every line; JSONL or CSV whose keys are the names of
 * options (`prompt`, `input`, `seed`, …); or a folder of inputs.
 *
 * Relative paths in a row are looked up in the list's folder, then in the current folder.
 *
 * @throws InputError naming the file and the line
 */
export function readJobs(
  path: string,
  { masks = true, ...options }: ReadJobsOptions = {},
): JobRow[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    throw new InputError(`${path}: no such list of jobs; give a .txt, .jsonl or .csv, or a folder`);
  }
  const rows = found.isDirectory()
    ? ofFolder(path, { masks, ...options })
    : ofFile(path, listText(path, found));
  if (rows.length === 0) throw new InputError(`${path}: holds no jobs; write one on every line`);
  return rows;
}

export interface ReadJobsOptions {
  /** use masks in a folder; otherwise they are skipped */
  masks?: boolean;
  /** the folder of results, which is no input if it lies in a folder of inputs */
  results?: string;
  /** receives a sentence about files in a folder that are skipped */
  onNote?: (sentence: string) => void;
}

/** The most bytes and jobs of a list, which is held in memory. */
const MAX_LIST = 2 ** 26;
const MAX_JOBS = 100_000;

function listText(path: string, found: Stats): string {
  if (found.size > MAX_LIST) {
    const size = `${MAX_LIST / 2 ** 20} MB`;
    throw new InputError(
      `${path}: a list of jobs must have at most ${size}, got ${Math.ceil(found.size / 2 ** 20)} MB; split it`,
    );
  }
  const bytes = readRegularSync(path);
  try {
    return decodeText(path, bytes);
  } catch (cause) {
    if (!(cause instanceof InputError)) throw cause;
    throw new InputError(
      `${path}: is not text in UTF-8; give a list of jobs as .txt, .jsonl or .csv, saved as UTF-8`,
      { cause },
    );
  }
}

/** The mask for `NAME.png` or for the folder `NAME` is called `NAME_mask`, with any extension. */
const MASK_SUFFIX = '_mask';

function ofFolder(path: string, { masks, results, onNote }: ReadJobsOptions): JobRow[] {
  const passedOver = new PassedOver();
  const isFolder = (name: string) =>
    statSync(join(path, name), { throwIfNoEntry: false })?.isDirectory() ?? false;
  const isInput = (name: string) => {
    if (results !== undefined && holdsResults(join(path, name), results)) {
      onNote?.(resultsLeftOut(join(path, name)));
      return false;
    }
    if (isFolder(name) || !['caption', 'sidecar'].includes(fileKind(name))) return true;
    passedOver.add(join(path, name));
    return false;
  };
  const names = readdirSync(path)
    .filter((name) => !name.startsWith('.') && isInput(name))
    .sort();
  for (const note of passedOver.sentences(path)) onNote?.(note);
  const stemOf = (name: string) => (isFolder(name) ? name : basename(name, extname(name)));
  const isMask = (name: string) => stemOf(name).endsWith(MASK_SUFFIX);
  const inputs = names.filter((name) => !isMask(name));
  const maskOf = new Map<string, string>();
  for (const name of names.filter(isMask)) {
    const stem = stemOf(name).slice(0, -MASK_SUFFIX.length);
    const where = join(path, name);
    if (!inputs.some((input) => stemOf(input) === stem)) {
      throw new InputError(
        `${where}: has the name of a mask for ${stem}, which does not exist; give both, or rename it`,
      );
    }
    if (maskOf.has(stem)) {
      throw new InputError(
        `${where}: is a second mask for ${stem}, in addition to ${maskOf.get(stem)}; keep one of them`,
      );
    }
    maskOf.set(stem, name);
  }
  return inputs.map((name) => {
    const mask = masks ? maskOf.get(stemOf(name)) : undefined;
    const words = ['--input', join(path, name)];
    if (mask !== undefined) words.push('--mask', join(path, mask));
    return { where: join(path, name), words };
  });
}

function ofFile(path: string, text: string): JobRow[] {
  const kind = extname(path).toLowerCase();
  if (kind === '.json') {
    throw new InputError(`${path}: must be JSONL, an object on every line; name it .jsonl then`);
  }
  const lines = text.split(/\r?\n/);
  if (lines.length > MAX_JOBS) {
    throw new InputError(
      `${path}: a list of jobs must have at most ${MAX_JOBS} lines, got ${lines.length}; split it`,
    );
  }
  if (kind === '.csv' || kind === '.tsv') return ofCsv(path, text);
  return lines.flatMap((line, i): JobRow[] => {
    const where = `${path}:${i + 1}`;
    if (line.trim() === '') return [];
    if (kind !== '.jsonl') return [{ where, words: ['--prompt', line.trim()] }];
    const value = jsonRow(where, quotedSeed(line), '{"prompt": "a red cube"}');
    return [{ where, words: wordsOf(path, where, Object.entries(value)) }];
  });
}

/** Puts quotes around long seeds, as JSON.parse would round numbers above 2^53. */
const quotedSeed = (line: string): string =>
  line.replace(/(?<!\\)("seed"\s*:\s*)(\d{16,30})(?=\s*[,}])/g, '$1"$2"');

function ofCsv(path: string, text: string): JobRow[] {
  return csvRecords(path, text).map(({ line, values }) => {
    const where = `${path}:${line}`;
    const filled = Object.entries(values).filter(([, value]) => value !== '');
    return { where, words: wordsOf(path, where, filled) };
  });
}

/** Keys whose value names input files (one or two), keys of flags, and keys of other files. */
const INPUTS = new Set(['input', 'i', 'image', 'video', 'path']);
const FLAGS = new Set(
  Object.entries(rowArgs.options).flatMap(([key, { kind }]) => (kind === 'flag' ? [key] : [])),
);
const FILES = new Set(['mask', 'depthFrom', 'reference']);
/** Keys of files that may have a place. */
const PLACED = new Set(['known', 'depth']);

function wordsOf(path: string, where: string, entries: [string, unknown][]): string[] {
  const beside = (value: string) => {
    const near = value.startsWith('/') ? value : join(dirname(path), value);
    return !existsSync(near) && existsSync(value) ? value : near;
  };
  const filesIn = (value: string) =>
    existsSync(beside(value)) ? [beside(value)] : filesOf(value).map(beside);
  return entries.flatMap(([key, value]) => {
    if (key === '') {
      throw new InputError(
        `${where}: "${value}" is in a column without a name; name the column, e.g. prompt or input`,
      );
    }
    const values = (Array.isArray(value) ? value : [value]).filter((one) => one !== null);
    const name = key.replace(/[-_]([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return values.flatMap((one) => {
      if (FLAGS.has(name)) {
        const flag = flagName(name);
        return [asFlag(where, key, one) ? flag : `--no-${flag.slice(2)}`];
      }
      if (typeof one !== 'string' && typeof one !== 'number') {
        throw new InputError(`${where}: "${key}" must be text or a number, got ${shown(one)}`);
      }
      const text = String(one);
      if (INPUTS.has(name)) return filesIn(text).flatMap((file) => ['--input', file]);
      if (PLACED.has(name)) {
        const parts = existsSync(beside(text)) ? [text] : filesOf(text);
        return parts.flatMap((part) => [
          flagName(key),
          existsSync(beside(part)) ? beside(part) : withPlacedFiles(part, beside),
        ]);
      }
      return [flagName(key), FILES.has(name) ? beside(text) : text];
    });
  });
}

/** The value of a flag: true or false, in CSV as text. */
function asFlag(where: string, key: string, value: unknown): boolean {
  if (value === true || value === 'true') return true;
  if (value === false || value === 'false') return false;
  throw new InputError(`${where}: "${key}" must be true or false, got ${shown(value)}`);
}

/** A descriptive file name: `0003-a-red-cube`. */
export function resultName(
  index: number,
  { prompt = '', input = [] as string[], known = [] as string[] },
): string {
  const file = input[0] ?? (known[0] && parseKnown(known[0]).media);
  const text = file ? basename(file, extname(file)) : prompt;
  const slug = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 48);
  return [String(index + 1).padStart(4, '0'), slug].filter(Boolean).join('-');
}
