/**
 * Fault injection: does a training run survive? A tiny run is done once undisturbed, then
 * repeatedly with random faults: killed, stopped, its output closed, the disk full, files damaged,
 * values non-finite, processes lost. Whatever happens, at most the steps since the last checkpoint
 * may be lost, and the final weights must be bit-identical.
 *
 *     node --import tsx bench/faults.ts --count 200 --seed 1
 *
 * As root, runs use a small disk of their own; otherwise the fault `full disk` is skipped.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { formatDuration } from '../src/cli/terminal/progress.js';
import { aligned } from '../src/cli/terminal/table.js';
import { RandomStream } from '../src/data/random.js';
import { EXACT, exactTrial } from './faults/exact.js';
import { Job } from './faults/job.js';
import { OTHER } from './faults/other.js';
import { linesOf, referenceOf } from './faults/run-folder.js';
import { copyRun, makeSetting } from './faults/setting.js';
import type { Outcome, Trial } from './faults/trial.js';

const args = defineArgs({
  options: {
    count: { kind: 'integer', default: 200, min: 1, describe: 'number of faults' },
    seed: { kind: 'integer', default: 1, min: 0, describe: 'seed of the random faults' },
    only: { kind: 'text', describe: 'only this kind of fault' },
  },
});
const { count, seed, only } = parseArgs('faults', args, process.argv.slice(2));

/** How many of 200 faults are of each kind. */
const SHARES: Record<string, number> = {
  'kill -9': 43,
  'kill -9 during a checkpoint': 35,
  SIGTERM: 11,
  SIGINT: 11,
  SIGHUP: 11,
  'closed pipe': 11,
  'damaged checkpoint': 22,
  'damaged cache': 10,
  'full disk': 14,
  'started twice': 8,
  'damaged data file': 9,
  'bad samples': 3,
  'bad gradients for a while': 3,
  'bad gradients, given up': 2,
  'killed rank': 4,
  'hung rank': 2,
  'two processes stopped': 1,
};
/** Faults per run. */
const FAULTS = 7;
/** Share of runs that start from nothing; the others start as the transformer's training begins. */
const FROM_START = 0.2;

const setting = await makeSetting();
process.on('exit', () => setting.remove());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

const outcomes: Outcome[] = [];
const { reference, snapshot, startSeconds } = await undisturbed();
const startMs = performance.now();
if (setting.noDisk) console.log(`full disk: skipped, ${setting.noDisk}`);

let number = 0;
const trialOf = (): Trial => {
  const random = new RandomStream(seed, `trial ${++number}`);
  const folder = join(setting.folder, 'run');
  copyRun(random.chance(FROM_START) ? nothing() : snapshot, folder);
  return { setting, reference, folder, random, linesBefore: 0, startSeconds, tell };
};

const kinds = drawKinds();
const exact = kinds.filter((kind) => kind in EXACT);
const others = kinds.filter((kind) => !(kind in EXACT));
while (exact.length + others.length > 0) {
  const trial = trialOf();
  if (trial.random.next() * (exact.length / FAULTS + others.length) < others.length) {
    const kind = others.pop()!;
    copyRun(snapshot, trial.folder);
    const result = await OTHER[kind]!(trial).catch(failed);
    tell({ kind, ...result });
    continue;
  }
  const some = exact.splice(0, FAULTS);
  const left = await exactTrial(some, trial).catch((error: Error) => {
    tell({ kind: some[0]!, ...failed(error) });
    return [];
  });
  exact.push(...left);
}
report();
process.exit(outcomes.some(({ problem }) => problem) ? 1 : 0);

/** Makes the undisturbed run, and one stopped once the transformer's training had begun. */
async function undisturbed() {
  const [whole, begun] = ['whole', 'begun'].map((name) => join(setting.folder, name)) as [
    string,
    string,
  ];
  const job = new Job(['train', setting.recipe, '--run', whole, '--workers', '1']);
  const end = await job.end;
  if (end.code !== 0) throw new Error(`the undisturbed run fails: ${job.output}`);
  const lines = linesOf(whole);
  const other = new Job(['train', setting.recipe, '--run', begun, '--workers', '1']);
  await other.until(() => linesOf(begun).some(({ part }) => part === 'transformer'));
  other.kill('SIGINT');
  await other.end;
  const last = new Job(['train', setting.recipe, '--run', whole, '--resume', '--workers', '1']);
  const { seconds } = await last.end;
  console.log(
    `undisturbed run: ${lines.length} lines of metrics in ${end.seconds.toFixed(0)} s; starting takes ${seconds.toFixed(1)} s`,
  );
  return { reference: referenceOf(whole), snapshot: begun, startSeconds: seconds };
}

function failed({ message }: Error): { problem: string } {
  return { problem: message };
}

function nothing(): string {
  const folder = join(setting.folder, 'nothing');
  mkdirSync(folder, { recursive: true });
  return folder;
}

function drawKinds(): string[] {
  const random = new RandomStream(seed, 'kinds');
  const open = Object.entries(SHARES).filter(
    ([kind]) => (!only || kind === only) && (kind !== 'full disk' || !setting.noDisk),
  );
  const total = open.reduce((sum, [, share]) => sum + share, 0);
  const drawn = open.flatMap(([kind, share]) =>
    Array<string>(Math.max(1, Math.round((share / total) * count))).fill(kind),
  );
  return drawn
    .map((kind) => ({ kind, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ kind }) => kind);
}

function tell(outcome: Outcome): void {
  outcomes.push(outcome);
  const { kind, problem, note } = outcome;
  const faults = outcomes.filter((one) => one.kind in SHARES).length;
  const seconds = (performance.now() - startMs) / 1000;
  const left = formatDuration((seconds / Math.max(1, faults)) * (kinds.length - faults));
  const words = problem ? `WRONG: ${problem}` : ['ok', note].filter(Boolean).join(', ');
  console.log(`${faults}/${kinds.length}  trial ${number}  ${kind}: ${words}  (${left} left)`);
}

function report(): void {
  const names = [...new Set(outcomes.map(({ kind }) => kind))];
  const rows = names.map((name) => {
    const all = outcomes.filter(({ kind }) => kind === name);
    const worst = (key: 'lostSteps' | 'seconds' | 'lossDifference') => {
      const values = all.flatMap((one) => one[key] ?? []);
      return values.length === 0 ? '' : String(Number(Math.max(...values).toPrecision(2)));
    };
    const notes = new Map<string, number>();
    for (const { note } of all) if (note) notes.set(note, (notes.get(note) ?? 0) + 1);
    const ok = all.filter(({ problem }) => problem === null).length;
    return [
      ...[name, String(all.length), String(ok), worst('lostSteps')],
      ...[worst('lossDifference'), worst('seconds')],
      [...notes].map(([note, times]) => `${times} ${note}`).join(', '),
    ];
  });
  const head = ['fault', 'count', 'ok', 'steps lost', 'loss difference', 'seconds to end', ''];
  console.log(`\n${aligned([head, ...rows]).join('\n')}`);
  const faults = outcomes.filter(({ kind }) => kind in SHARES).length;
  const wrong = outcomes.filter(({ problem }) => problem).length;
  const time = formatDuration((performance.now() - startMs) / 1000);
  console.log(`${faults} faults in ${time}: ${wrong === 0 ? 'nothing lost' : `${wrong} WRONG`}`);
}
