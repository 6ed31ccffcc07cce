/** `mfm data check`: reports each item's problems, and the tasks it can be used for. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { CaptionLimit } from '../../../data/caption-length.js';
import type { CheckedItem } from '../../../data/measure/check.js';
import { framesOf } from '../../../data/measure/verdicts.js';
import type { SampleFacts } from '../../../data/sources/facts.js';
import type { DataItem, Entry } from '../../../data/sources/items.js';
import { fileKind, MANIFEST } from '../../../data/sources/kinds.js';
import { InputError, isAbort } from '../../../errors.js';
import { expectPlace, SourceFiles } from '../../../files/output-place.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { formatDuration, Progress } from '../../terminal/progress.js';

export interface CheckArguments {
  manifest: string;
  minFrames: number;
  workers?: number;
  json?: string;
  clean?: string;
  /** pipeline whose text encoder will read the captions */
  pipeline?: string;
  strict: boolean;
}

/** @returns the exit code: 1 with `strict` if there is a problem, else 0 */
export async function runCheck(options: CheckArguments): Promise<number> {
  expectPlaces(options);
  const { readEntries } = await import('../../../data/sources/manifest.js');
  const caption = options.pipeline === undefined ? undefined : await limitOf(options.pipeline);
  const entries: Entry[] = [];
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  for await (const entry of readEntries(options.manifest, { onNote })) entries.push(entry);
  expectOtherFiles(options, entries);
  try {
    return await withInterrupt('stopping', (signal) =>
      checkAll(options, { entries, notes, caption }, signal),
    );
  } catch (error) {
    if (!isAbort(error)) throw error;
    process.stderr.write(`${options.manifest}: stopped; nothing was written\n`);
    return INTERRUPTED;
  }
}

/** @throws InputError if one of the files to write would replace another, or what the data set consists of */
function expectPlaces({ manifest, json, clean }: CheckArguments): void {
  const read = new SourceFiles([
    { path: manifest, what: 'the data set' },
    { path: join(manifest, MANIFEST), what: 'its manifest' },
  ]);
  for (const [path, what, ending] of [
    [json, 'the report', '.json'],
    [clean, 'the manifest', '.jsonl'],
  ] as const) {
    if (path === undefined) continue;
    expectPlace(path);
    // pictures, clips, captions and shards are never replaced, whichever of them the data set names
    if (!['sidecar', 'other'].includes(fileKind(path))) {
      throw new InputError(`${path}: ${what} is text; name a file that ends in ${ending}`);
    }
    read.expectOtherFile(path);
  }
  if (json !== undefined && clean !== undefined && resolve(json) === resolve(clean)) {
    throw new InputError(`${json}: is named by --json and --clean; name two files`);
  }
}

/** @throws InputError if one of the files to write is one of an item */
function expectOtherFiles({ json, clean }: CheckArguments, entries: readonly Entry[]): void {
  const replaced = [json ?? [], clean ?? []].flat().filter((path) => existsSync(path));
  if (replaced.length === 0) return;
  const files = entries.flatMap((entry) => {
    if (!('item' in entry)) return [];
    const { media, target, mask, depth } = entry.item;
    return [media, target, mask, depth].filter((file) => file !== null);
  });
  const read = new SourceFiles(files.map(({ path }) => ({ path, what: 'a file of the data set' })));
  for (const path of replaced) read.expectOtherFile(path);
}

async function limitOf(pipeline: string): Promise<CaptionLimit> {
  const { resolvePipeline } = await import('../../../pipeline/find.js');
  const { captionLimitOf } = await import('../../../pipeline/caption-limit.js');
  return captionLimitOf(resolvePipeline(pipeline));
}

interface Given {
  entries: readonly Entry[];
  /** a sentence for each file that was skipped */
  notes: readonly string[];
  caption?: CaptionLimit;
}

async function checkAll(
  { manifest, minFrames, workers, json, clean, strict }: CheckArguments,
  { entries, notes, caption }: Given,
  signal: AbortSignal,
): Promise<number> {
  const { checkItems } = await import('../../../data/measure/check.js');
  const { isProblem } = await import('../../../data/measure/verdicts.js');
  const progress = new Progress({ label: 'checking', total: entries.length, unit: 'items' });
  const totals = new Totals();
  const fitting: SampleFacts[] = [];
  const rows: object[] = [];
  const good: (DataItem & { kind: 'image' | 'clip' })[] = [];
  try {
    for await (const result of checkItems(entries, { minFrames, caption, workers, signal })) {
      signal.throwIfAborted();
      const tasks = await tasksOf(result);
      const problems = result.findings.filter(isProblem).length;
      totals.add(result, tasks, problems);
      if (result.inspection && fits(result)) fitting.push(result.inspection.facts);
      if (json) rows.push(jsonOf(result, tasks));
      if (result.item && result.inspection && problems === 0) {
        good.push({ ...result.item, kind: result.inspection.facts.kind });
      }
      progress.clear();
      if (result.inspection?.facts.kind === 'clip') await adviseFfmpeg();
      process.stdout.write(`${lineOf(result, tasks)}\n`);
      progress.update(totals.items, `${totals.withProblems} with problems`);
    }
    signal.throwIfAborted(); // an incomplete report must not be written
  } finally {
    progress.end();
  }
  const mix = await mixOf(fitting);
  const missing = await missingOf(fitting);
  const lines = [
    ...notes,
    ...totals.lines(),
    ...missingLines(missing, fitting.length),
    mixLine(mix),
  ];
  process.stdout.write(`\n${lines.join('\n')}\n`);
  if (json) {
    const report = { manifest, notes, ...totals, missing, mix, rows };
    await writeText(json, `${JSON.stringify(report, null, 1)}\n`);
  }
  if (clean) {
    const lines = good.map((item) => JSON.stringify(rowOf(item, dirname(clean))));
    await writeText(clean, lines.map((line) => `${line}\n`).join(''));
  }
  return strict && totals.withProblems > 0 ? 1 : 0;
}

/** The tasks that an item can be used for, by its facts. */
async function tasksOf(checked: CheckedItem): Promise<string[]> {
  if (checked.inspection === null || !fits(checked)) return [];
  const { qualifiedTasks } = await import('../../../tasks/index.js');
  return qualifiedTasks(checked.inspection.facts).map(({ id }) => id);
}

const fits = ({ findings }: CheckedItem): boolean =>
  !findings.some(({ verdict }) => verdict === 'does not fit');

/** Tasks for which no item qualifies, by the most frequent reason: `9: no caption`. */
async function missingOf(facts: readonly SampleFacts[]): Promise<Record<string, string[]>> {
  const { lackOf, tallyTask, weightedTasks } = await import('../../../tasks/index.js');
  const missing: Record<string, string[]> = {};
  for (const task of facts.length > 0 ? weightedTasks() : []) {
    const tally = tallyTask(
      task,
      facts.map((one) => [one, 1] as const),
    );
    if (tally.samples > 0) continue;
    const lack = lackOf(tally);
    missing[lack] = [...(missing[lack] ?? []), task.task.id];
  }
  return missing;
}

function missingLines(missing: Record<string, string[]>, total: number): string[] {
  return Object.entries(missing).map(([lack, ids]) => {
    const [count, ...phrase] = lack.split(': ');
    return `no item for ${ids.join(', ')}: ${phrase.join(': ')} (${count} of ${total} items)`;
  });
}

/** Share of each task in training on the data set, 0..1, with the tasks' default weights. */
async function mixOf(facts: readonly SampleFacts[]): Promise<Record<string, number>> {
  const { taskMix, weightedTasks } = await import('../../../tasks/index.js');
  const { entries } = taskMix(facts, weightedTasks());
  const used = entries.filter(({ share }) => share > 0).sort((a, b) => b.share - a.share);
  return Object.fromEntries(used.map(({ task, share }) => [task.id, share]));
}

function mixLine(mix: Record<string, number>): string {
  const parts = Object.entries(mix).map(([id, share]) => `${id} ${(100 * share).toFixed(1)} %`);
  return `mix, by the tasks' usual weights: ${parts.join(', ') || 'none'}`;
}

function lineOf({ where, name, inspection, seconds, findings }: CheckedItem, tasks: string[]) {
  const parts: string[] = [];
  if (inspection) {
    const { width, height, numFrames, kind } = inspection.facts;
    const length = seconds === null ? '' : `, ${seconds.toFixed(1)} s`;
    parts.push(`${width}x${height}${kind === 'clip' ? ` ${framesOf(numFrames)}${length}` : ''}`);
  }
  const own = [`${where}: `, `${name}: `];
  for (const { verdict, text } of findings) {
    // leave out the file's name, with which both the line and the readers' sentences begin
    const short = own.reduce((left, start) => left.replace(start, ''), text);
    parts.push(verdict === 'note' ? short : `${verdict}${short ? `: ${short}` : ''}`);
  }
  if (findings.length === 0) parts.push('ok');
  if (inspection) parts.push(`for ${tasks.join(' ') || 'no task'}`);
  const shown = name === null || where.startsWith(name) ? where : `${where} ${name}`;
  return `${shown}: ${parts.join('; ')}`;
}

function jsonOf({ where, name, inspection, seconds, findings }: CheckedItem, tasks: string[]) {
  const { facts = null, fps = null, cuts = [], content = null } = inspection ?? {};
  return { where, file: name, facts, fps, seconds, cuts, content, findings, tasks };
}

/** An item of any data set as a row of a manifest that lies in `folder`. */
function rowOf(
  { kind, media, target, mask, depth, prompt, part, stated }: DataItem,
  folder: string,
) {
  const beside = (file: { path: string; member: { name: string } | null } | null) =>
    file === null
      ? undefined
      : relative(folder, resolve(file.path)) + (file.member ? `/${file.member.name}` : '');
  return {
    [kind === 'image' ? 'image' : 'video']: beside(media),
    target: beside(target),
    mask: beside(mask),
    depth: beside(depth),
    prompt,
    ...part,
    ...stated,
  };
}

async function writeText(path: string, text: string): Promise<void> {
  const { writeAtomically } = await import('../../../files/atomic.js');
  const { writeFile } = await import('node:fs/promises');
  await writeAtomically(path, (temporary) => writeFile(temporary, text));
}

/** Sums over the data set; its fields are part of the JSON report. */
class Totals {
  items = 0;
  withProblems = 0;
  clips = 0;
  images = 0;
  seconds = 0;
  verdicts: Record<string, number> = {};
  tasks: Record<string, number> = {};

  add({ inspection, seconds, findings }: CheckedItem, tasks: string[], problems: number): void {
    this.items++;
    if (problems > 0) this.withProblems++;
    if (inspection?.facts.kind === 'clip') this.clips++;
    if (inspection?.facts.kind === 'image') this.images++;
    this.seconds += seconds ?? 0;
    // an item with the same verdict twice counts once
    count(this.verdicts, new Set(findings.map(({ verdict }) => verdict)));
    count(this.tasks, tasks);
  }

  lines(): string[] {
    const table = (counts: Record<string, number>) =>
      Object.entries(counts)
        .sort(([, a], [, b]) => b - a)
        .map(([name, number]) => `${name} ${number}`)
        .join(', ') || 'none';
    return [
      `${this.items} items: ${this.clips} clips of ${formatDuration(this.seconds)} in all, ${this.images} pictures; ${this.items - this.withProblems} without a problem`,
      `found: ${table(this.verdicts)}`,
      `for tasks: ${table(this.tasks)}`,
    ];
  }
}

function count(counts: Record<string, number>, names: Iterable<string>): void {
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
}
