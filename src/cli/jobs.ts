/** The results that a command asks for: one, or one for every line of a list and every sample. */
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { InputError } from '../errors.js';
import type { Task } from '../tasks/index.js';
import { flagName, parseArgs } from './args.js';
import { type GenerateOptions, type ResultOptions, rowArgs } from './generate-options.js';

/** One result to be made. */
export interface Job {
  /** `prompts.txt:3`, or '' */
  where: string;
  options: ResultOptions;
  seed: number;
  output: string;
}

export async function oneJob(task: Task, options: GenerateOptions): Promise<Job> {
  const { outputKind } = await import('../media/index.js');
  const seed = options.seed ?? randomInt(2 ** 31);
  const extension = extensionOf(task);
  const output = options.output ?? `${task.id}-${seed}.${extension}`;
  if (outputKind(output) !== task.result) {
    throw new InputError(
      `${output}: ${task.id} makes ${task.result === 'image' ? 'an image' : 'a clip'}; name a file that ends in .${extension}`,
    );
  }
  return { where: '', options, seed, output };
}

/** Every row's samples. What a row does not say, the command line does. */
export function manyJobs(task: Task, options: GenerateOptions): Job[] {
  const folder = options.output ?? `${task.id}-results`;
  const rows = options.batch === undefined ? [{ where: '', words: [] }] : readJobs(options.batch);
  return rows.flatMap(({ where, words }, index) => {
    const row = parseArgs(where, rowArgs, words);
    const input = row.input.length > 0 ? row.input : options.input;
    const merged: ResultOptions = { ...options, ...row, input };
    return Array.from({ length: options.samples }, (_, sample) => {
      const seed = (merged.seed ?? 0) + sample;
      const suffix = options.samples > 1 ? `-${seed}` : '';
      const name = `${resultName(index, merged)}${suffix}.${extensionOf(task)}`;
      return { where, options: merged, seed, output: join(folder, name) };
    });
  });
}

const extensionOf = ({ result }: Task) => (result === 'image' ? 'png' : 'mp4');

/** A job as the words of a command line, and where it stands. */
export interface JobRow {
  /** `prompts.txt:3` */
  where: string;
  words: string[];
}

/**
 * Reads jobs: a text file with a prompt on every line; JSONL or CSV whose keys are the names of
 * options (`prompt`, `input`, `seed`, …); or a folder of inputs.
 *
 * Files that a row names lie beside the list, unless their paths are absolute.
 * @throws InputError naming the file and the line
 */
export function readJobs(path: string): JobRow[] {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) {
    throw new InputError(`${path}: no such list of jobs; give a .txt, .jsonl or .csv, or a folder`);
  }
  const rows = found.isDirectory() ? ofFolder(path) : ofFile(path, readFileSync(path, 'utf8'));
  if (rows.length === 0) throw new InputError(`${path}: holds no job; write one on every line`);
  return rows;
}

function ofFolder(path: string): JobRow[] {
  return readdirSync(path)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => ({ where: join(path, name), words: ['--input', join(path, name)] }));
}

function ofFile(path: string, text: string): JobRow[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const kind = extname(path).toLowerCase();
  if (kind === '.csv') return ofCsv(path, text);
  return lines.flatMap((line, i): JobRow[] => {
    const where = `${path}:${i + 1}`;
    if (line.trim() === '') return [];
    if (kind !== '.jsonl') return [{ where, words: ['--prompt', line.trim()] }];
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw new InputError(`${where}: must be JSON (${(cause as Error).message})`, { cause });
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new InputError(`${where}: must be an object, e.g. {"prompt": "a red cube"}`);
    }
    return [{ where, words: wordsOf(path, Object.entries(value)) }];
  });
}

function ofCsv(path: string, text: string): JobRow[] {
  const [header, ...records] = csvRecords(path, text);
  return records.map(({ line, fields }) => {
    const where = `${path}:${line}`;
    if (fields.length !== header!.fields.length) {
      throw new InputError(
        `${where}: must have ${header!.fields.length} columns as the first line has, got ${fields.length}; put quotes around text with commas`,
      );
    }
    const entries = header!.fields.map((key, i) => [key.trim(), fields[i]!] as [string, string]);
    return {
      where,
      words: wordsOf(
        path,
        entries.filter(([, value]) => value !== ''),
      ),
    };
  });
}

/** Records of RFC 4180: quotes around fields with commas, line ends or quotes, which are doubled. */
function csvRecords(path: string, text: string): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = [];
  let line = 1;
  let start = 1;
  let fields: string[] = [];
  let field = '';
  let quoted = false;
  const endRecord = () => {
    fields.push(field);
    if (fields.length > 1 || fields[0] !== '') records.push({ line: start, fields });
    fields = [];
    field = '';
    start = line;
  };
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  for (let i = 0; i < source.length; i++) {
    const character = source[i]!;
    if (character === '\n') line++;
    if (quoted) {
      if (character !== '"') field += character;
      else if (source[i + 1] === '"') field += source[++i];
      else quoted = false;
    } else if (character === '"' && field === '') quoted = true;
    else if (character === ',') {
      fields.push(field);
      field = '';
    } else if (character === '\n') endRecord();
    else field += character;
  }
  if (quoted) throw new InputError(`${path}:${start}: a quote is not closed; add the closing one`);
  if (field !== '' || fields.length > 0) endRecord();
  return records;
}

/** Options whose values are files. */
const FILES = new Set(['input', 'mask', 'i']);

function wordsOf(path: string, entries: [string, unknown][]): string[] {
  const beside = (value: string) => (value.startsWith('/') ? value : join(dirname(path), value));
  return entries.flatMap(([key, value]) => {
    const values = Array.isArray(value) ? value : [value];
    return values.flatMap((one) => [
      flagName(key),
      FILES.has(key) ? beside(String(one)) : String(one),
    ]);
  });
}

/** A file name that tells what it holds: `0003-a-red-cube`. */
export function resultName(index: number, { prompt = '', input = [] as string[] }): string {
  const text = input[0] ? basename(input[0], extname(input[0])) : prompt;
  const slug = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 48);
  return [String(index + 1).padStart(4, '0'), slug].filter(Boolean).join('-');
}
