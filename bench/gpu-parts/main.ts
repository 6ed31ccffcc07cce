/**
 * Runs the parts of bench/gpu, each in a process of its own and with a time limit of its own, and reports
 * them as a table and as JSON. A part that fails, hangs or has nothing to run on does not stop the others.
 *
 *     node --import tsx bench/gpu-parts/main.ts --only training,step
 *     node --import tsx bench/gpu-parts/main.ts --small --device cpu     # tries the script itself
 */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chosenDevice } from '../../src/cli/options/device.js';
import { defineArgs, parseArgs } from '../../src/cli/terminal/args.js';
import { availability, cudaDevice, engineInfo, memoryOf } from '../../src/tensor/index.js';
import type { Context, Row } from './context.js';
import { PARTS, type PartName } from './parts.js';

const args = defineArgs({
  options: {
    device: {
      kind: 'text',
      default: 'auto',
      describe: 'cuda, cuda:N; auto: a GPU, or nothing is run',
    },
    only: { kind: 'text', placeholder: 'A,B', describe: `parts: ${Object.keys(PARTS).join(', ')}` },
    goldens: { kind: 'text', repeat: true, describe: 'folder of stored results, see `mfm verify`' },
    peer: { kind: 'text', describe: 'checkout of the public code to compare a step with' },
    python: {
      kind: 'text',
      default: 'python3',
      describe: 'interpreter with PyTorch, for the peers',
    },
    json: { kind: 'text', default: 'build/gpu/report.json', describe: 'file of the report' },
    minutes: { kind: 'number', min: 0.1, default: 8, describe: 'time for all parts' },
    small: { kind: 'flag', describe: 'tiny networks: tries the script, measures nothing' },
  },
});
const options = parseArgs('gpu', args, process.argv.slice(2));

interface Result {
  part: string;
  /** why it was not run, or not to its end; null if it was */
  note: string | null;
  failed: boolean;
  seconds: number;
  rows: Row[];
}

const device = await chosenDevice(options.device);
const context: Context = {
  device,
  small: options.small ?? false,
  goldens: options.goldens,
  peer: options.peer ?? null,
  python: options.python,
};
const only = options.only?.split(',');
for (const name of only ?? []) {
  if (!(name in PARTS)) throw new Error(`--only: no part ${name}; there are ${Object.keys(PARTS)}`);
}
const end = performance.now() + options.minutes * 60_000;
const results: Result[] = [];
for (const [name, { seconds, what }] of Object.entries(PARTS)) {
  if (only && !only.includes(name)) continue;
  const left = (end - performance.now()) / 1000;
  const skip = (note: string) =>
    results.push({ part: name, note, failed: false, seconds: 0, rows: [] });
  if (device === 'cpu' && options.device !== 'cpu') skip('skipped: there is no GPU');
  else if (left < 5) skip('skipped: the time for all parts is over');
  else {
    process.stderr.write(`gpu: ${what} (at most ${Math.round(Math.min(seconds, left))} s)\n`);
    results.push(await run(name as PartName, Math.min(seconds, left)));
  }
}
report();

/** Runs one part in a process that is killed after its time. */
function run(name: PartName, limitSeconds: number): Promise<Result> {
  const path = fileURLToPath(new URL('part.ts', import.meta.url));
  const startMs = performance.now();
  const child = spawn(process.execPath, ['--import', 'tsx', path, name, JSON.stringify(context)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...PARTS[name].env },
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    text += data;
  });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, limitSeconds * 1000);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const rows: Row[] = [];
      let note: string | null = null;
      // each line is a row, or a reason; a part that is killed may leave half a line
      for (const line of text.split('\n').slice(0, -1)) {
        const said = JSON.parse(line) as { row?: Row; skipped?: string; problem?: string };
        if (said.row) rows.push(said.row);
        if (said.skipped) note = `skipped: ${said.skipped}`;
        if (said.problem) note = `failed: ${said.problem}`;
      }
      if (late) note = `stopped after ${Math.round(limitSeconds)} s`;
      else if (code !== 0 && note === null) note = `failed: ended with ${signal ?? code}`;
      const failed =
        (note?.startsWith('failed') ?? false) || rows.some((row) => row.passed === false);
      const seconds = (performance.now() - startMs) / 1000;
      resolve({ part: name, note, failed, seconds, rows });
    });
  });
}

function report(): void {
  const available = availability();
  const machine = {
    device,
    gpu: cudaDevice(device, available) ?? null,
    memory: memoryOf(device),
    cuda: available.cuda,
    engine: engineInfo(),
    cpu: cpus()[0]?.model ?? 'unknown',
    time: new Date().toISOString(),
  };
  mkdirSync(dirname(options.json), { recursive: true });
  writeFileSync(options.json, `${JSON.stringify({ machine, results }, null, 2)}\n`);
  const width = Math.max(...results.flatMap(({ rows }) => rows.map(({ what }) => what.length)), 8);
  for (const { part, note, rows, seconds } of results) {
    console.log(`\n${part} (${seconds.toFixed(0)} s)${note === null ? '' : `: ${note}`}`);
    for (const { what, figure, passed } of rows) {
      const mark = passed === undefined ? '    ' : passed ? 'ok  ' : 'FAIL';
      console.log(`  ${mark} ${what.padEnd(width)}  ${figure}`);
    }
  }
  console.log(`\n${options.json}`);
  if (results.some(({ failed }) => failed)) process.exitCode = 1;
}
