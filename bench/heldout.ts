/**
 * How good a pipeline is on held-out MiniWorld scenes, against what needs no model and against the
 * aims: a table, report.json and a contact sheet per task.
 *
 *     node --import tsx bench/heldout.ts --pipeline models/mfm-mini --scenes 100 --output runs/heldout
 *
 * `true renders` is what the analyser says of the correct pictures: the most that can be reached.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineArgs, parseArgs } from '../src/cli/args.js';
import { Progress } from '../src/cli/progress.js';
import { evaluateHeldOut, type Figure } from '../src/eval/heldout.js';
import { contactSheet } from '../src/media/index.js';
import { newestPipeline } from '../src/pipeline/find.js';
import { openPipeline } from '../src/pipeline/index.js';
import { machineLine } from './measure.js';

const args = defineArgs({
  options: {
    pipeline: { kind: 'text', describe: 'folder (default: the newest in runs/ and models/)' },
    scenes: { kind: 'integer', min: 1, default: 100, describe: 'scenes of each task' },
    batch: { kind: 'integer', min: 1, default: 16, describe: 'scenes sampled at once' },
    seed: { kind: 'integer', min: 0, default: 0, describe: 'of the noise' },
    steps: { kind: 'integer', min: 1, describe: "sampling steps (default: the pipeline's)" },
    guidance: { kind: 'number', min: 0, describe: "guidance (default: the pipeline's)" },
    output: { kind: 'text', default: 'runs/heldout', describe: 'folder for report and sheets' },
  },
});
const { output, scenes, batch, seed, steps, guidance, ...options } = parseArgs(
  'heldout',
  args,
  process.argv.slice(2),
);

const folder = options.pipeline ?? newestPipeline();
const pipeline = openPipeline(folder);
const progress = new Progress({ label: 'held-out scenes', total: 1, unit: '' });
const start = performance.now();
const report = await evaluateHeldOut(pipeline, {
  scenes,
  seed,
  batchSize: batch,
  numInferenceSteps: steps,
  guidanceScale: guidance,
  onProgress: (done, total, part) => progress.update(done / total, part),
});
progress.end();
const seconds = (performance.now() - start) / 1000;

const { numInferenceSteps, guidanceScale } = pipeline.settings;
const settings = {
  scenes,
  seed,
  steps: steps ?? numInferenceSteps,
  guidance: guidance ?? guidanceScale,
};
console.log(
  `${folder}: ${scenes} scenes a task, ${settings.steps} steps, guidance ${settings.guidance}, seed ${seed}`,
);
console.log(`${machineLine()}; ${Math.round(seconds)} s`);
table(report.figures);

mkdirSync(output, { recursive: true });
const machine = machineLine();
writeFileSync(
  join(output, 'report.json'),
  `${JSON.stringify({ pipeline: folder, machine, seconds, ...settings, figures: report.figures }, null, 2)}\n`,
);
for (const { part, columns, rows } of report.sheets) {
  await contactSheet(rows, join(output, `${part}.png`), { columns, framesPerClip: 5, scale: 2 });
}
console.log(`${output}: report.json and ${report.sheets.length} sheets`);
pipeline.dispose();

function table(figures: Figure[]): void {
  const number = ({ unit }: Figure, value: number) =>
    unit === '%'
      ? `${value.toFixed(0)}%`
      : unit === 'dB'
        ? `${value.toFixed(2)} dB`
        : value.toFixed(2);
  const rows = figures.map((figure) => [
    figure.part,
    figure.name,
    number(figure, figure.value),
    Object.entries(figure.baselines)
      .map(([name, value]) => `${name} ${number(figure, value)}`)
      .join(', '),
    figure.aim?.text ?? '',
    figure.aim ? (figure.aim.reached ? 'reached' : 'MISSED') : '',
    `n = ${figure.count}`,
  ]);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) {
    console.log(
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    );
  }
}
