/**
 * Fuzzing: can any file crash a parser? Valid files are changed at random, 20,000 for each parser
 * of user files, and read in a separate process. Each must be accepted, or refused with one
 * sentence, within bounded time and memory; crashes, endless loops and unexpected errors are
 * defects.
 *
 *     node --import tsx bench/fuzz.ts --count 20000 --seed 1
 *     node --import tsx bench/fuzz.ts --target tar --first 1234 --count 1    # repeats one case
 *
 * Files that revealed a defect are kept in a folder that is printed.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { describeProblem } from '../src/cli/terminal/problem.js';
import { aligned } from '../src/cli/terminal/table.js';
import { RandomStream } from '../src/data/random.js';
import { InputError } from '../src/errors.js';
import { TARGETS, type Target } from './fuzz/targets.js';

const args = defineArgs({
  options: {
    count: { kind: 'integer', default: 20_000, min: 1, describe: 'files for each parser' },
    first: { kind: 'integer', default: 0, min: 0, describe: 'number of the first file' },
    seed: { kind: 'integer', default: 1, min: 0, describe: 'seed of the random changes' },
    target: { kind: 'text', describe: 'only this parser' },
  },
});

/** A case that takes longer is a defect; one that takes ten times as long is killed. */
const SLOW_MS = 2000;
/** The most memory that the process may gain after the first case. */
const MAX_GROWTH_BYTES = 600 * 2 ** 20;

/** A child's report before each case, on the cases so far. */
interface Report {
  index: number;
  taken: number;
  refused: number;
  slowestMs: number;
  /** of the previous case */
  defect: string | null;
  /** whole: all cases were read; grown: too much memory in use, another process must continue */
  stop: 'whole' | 'grown' | null;
}

interface Row {
  taken: number;
  refused: number;
  slowestMs: number;
  defects: { index: number; what: string }[];
}

/** After this many defects a parser is not tested further. */
const MANY = 50;
const NOTHING = { taken: 0, refused: 0, slowestMs: 0, defect: null, stop: null };

const role = process.argv[2] === '--child' ? process.argv.slice(3) : null;
if (role) await childOf(role[0]!, ...(role.slice(1).map(Number) as [number, number, number]));
else await run();

/** Reads the cases of one parser, and reports to the parent before each. */
async function childOf(name: string, seed: number, first: number, end: number): Promise<void> {
  const target = TARGETS[name]!;
  const folder = mkdtempSync(join(tmpdir(), 'mfm-fuzz-'));
  process.on('disconnect', () => process.exit(1));
  try {
    const file = join(folder, target.file);
    mkdirSync(dirname(file), { recursive: true });
    const seeds = await target.seeds(folder);
    const report: Report = { ...NOTHING, index: first };
    const before = process.memoryUsage.rss();
    for (let index = first; index < end && report.stop === null; index++) {
      await tell({ ...report, index });
      writeFileSync(file, caseOf(name, target, seeds, seed, index));
      const start = performance.now();
      report.defect = await defectOf(target, file, folder, report);
      const ms = performance.now() - start;
      const growth = process.memoryUsage.rss() - before;
      report.slowestMs = Math.max(report.slowestMs, ms);
      if (ms > SLOW_MS) report.defect ??= `took ${Math.round(ms)} ms`;
      if (growth > MAX_GROWTH_BYTES) {
        report.defect ??= `memory grew by ${Math.round(growth / 2 ** 20)} MiB`;
        report.stop = 'grown';
      }
      report.index = index + 1;
    }
    await tell({ ...report, stop: report.stop ?? 'whole' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit(0);
}

function caseOf(
  name: string,
  { mutate }: Target,
  seeds: readonly Buffer[],
  seed: number,
  index: number,
): Buffer {
  return mutate(seeds, new RandomStream(seed, `${name} ${index}`));
}

async function defectOf(
  target: Target,
  file: string,
  folder: string,
  total: { taken: number; refused: number },
): Promise<string | null> {
  try {
    await target.read(file, folder);
    total.taken++;
    return null;
  } catch (error) {
    const { message } = describeProblem(error);
    if (/unexpected error|out of memory/.test(message) || message === '') {
      return `${(error as Error)?.stack?.split('\n').slice(0, 3).join(' ') ?? error}`;
    }
    if (message.length > 20_000) return `a sentence of ${message.length} characters`;
    total.refused++;
    return null;
  }
}

function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    process.send!(report, () => resolve());
  });
}

async function run(): Promise<void> {
  const { count, first, seed, target: only } = parseArgs('fuzz', args, process.argv.slice(2));
  if (only !== undefined && !(only in TARGETS)) {
    throw new InputError(`fuzz: no parser "${only}"; there are ${Object.keys(TARGETS).join(', ')}`);
  }
  const kept = mkdtempSync(join(tmpdir(), 'mfm-fuzz-found-'));
  const rows: string[][] = [['parser', 'files', 'accepted', 'refused', 'slowest', 'defects']];
  let defects = 0;
  for (const name of only === undefined ? Object.keys(TARGETS) : [only]) {
    const own = only === undefined ? Math.ceil(count * (TARGETS[name]!.share ?? 1)) : count;
    const row = await fuzz(name, seed, first, first + own);
    defects += row.defects.length;
    rows.push([
      name,
      String(own),
      String(row.taken),
      String(row.refused),
      `${Math.round(row.slowestMs)} ms`,
      String(row.defects.length),
    ]);
    console.log(aligned(rows.slice(-1)).join('\n'));
    for (const { index, what } of row.defects.slice(0, 5)) {
      const path = await keep(kept, name, seed, index);
      console.log(`  ${index}: ${what}\n     ${path}`);
    }
  }
  console.log(`\n${aligned(rows).join('\n')}`);
  if (defects === 0) rmSync(kept, { recursive: true });
  process.exit(defects === 0 ? 0 : 1);
}

/** Runs child processes until all cases were read; one that dies or hangs is replaced. */
async function fuzz(name: string, seed: number, first: number, end: number): Promise<Row> {
  const row: Row = { taken: 0, refused: 0, slowestMs: 0, defects: [] };
  for (let next = first; next < end && row.defects.length < MANY; ) {
    const words = ['--child', name, String(seed), String(next), String(end)];
    const child = fork(fileURLToPath(import.meta.url), words, {
      execArgv: ['--import', 'tsx', '--max-old-space-size=1024'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    next = await watch(child, row, next);
  }
  return row;
}

/** Adds a child's findings, or its abnormal end, to the row; returns the next case. */
async function watch(child: ChildProcess, row: Row, first: number): Promise<number> {
  let last: Report | null = null;
  let hung = false;
  let words = '';
  const kill = () => {
    hung = true;
    child.kill('SIGKILL');
  };
  // more time for the first case, which includes loading the program
  let timer = setTimeout(kill, 60_000);
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-2000);
  });
  child.on('message', (report: Report) => {
    clearTimeout(timer);
    timer = setTimeout(kill, 10 * SLOW_MS);
    if (report.defect) row.defects.push({ index: report.index - 1, what: report.defect });
    last = report;
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.on('close', (code, signal) => resolve([code, signal]));
  });
  clearTimeout(timer);
  const { index, taken, refused, slowestMs, stop } = last ?? { ...NOTHING, index: first };
  row.taken += taken;
  row.refused += refused;
  row.slowestMs = Math.max(row.slowestMs, slowestMs);
  if (stop !== null) return index;
  const how = hung ? `read for more than ${(10 * SLOW_MS) / 1000} s` : `died (${signal ?? code})`;
  row.defects.push({ index, what: `${how} ${words.trim().split('\n').slice(0, 3).join(' ')}` });
  return index + 1;
}

/** Writes the file of a case again, for inspection. */
async function keep(folder: string, name: string, seed: number, index: number): Promise<string> {
  const target = TARGETS[name]!;
  const work = join(folder, `${name.replace(/\W+/g, '-')}-${index}`);
  const file = join(work, target.file);
  mkdirSync(dirname(file), { recursive: true });
  const seeds = await target.seeds(work);
  writeFileSync(file, caseOf(name, target, seeds, seed, index));
  return file;
}
