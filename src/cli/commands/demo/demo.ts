/** `mfm demo`: runs the included pipeline on all tasks, trains for two minutes, and writes a page. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { InputError } from '../../../errors.js';
import { fromRoot } from '../../../files/package-root.js';
import type { DepthModel } from '../../../models/depth-anything/index.js';
import { chosenDevice, deviceOption } from '../../options/device.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import type { Example } from '../../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { Progress } from '../../terminal/progress.js';
import type { PageContent } from './page.js';

export const summary = 'write a page that shows all tasks and two minutes of training';

export const args = defineArgs({
  options: {
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'trained pipeline (default: models/mfm-mini)',
    },
    output: {
      kind: 'text',
      placeholder: 'FOLDER',
      default: 'runs/demo',
      describe: 'folder for the page',
    },
    training: {
      kind: 'flag',
      default: true,
      describe: 'skip the two minutes of training on the CPU',
    },
    device: deviceOption,
  },
});

export const examples: readonly Example[] = [
  ['with your own pipeline, without training', 'demo --pipeline runs/mine/pipeline --no-training'],
];

const carried = fromRoot('models/mfm-mini');
const PICTURES = 'pictures';
const TRAINING = 'training';

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { output, training } = options;
  const pipelineFolder = options.pipeline ?? relative('.', carried);
  if (options.pipeline === undefined && !existsSync(join(carried, 'model_index.json'))) {
    throw new InputError(
      `${pipelineFolder}: this checkout carries no pipeline; name a trained one with --pipeline FOLDER`,
    );
  }
  const startMs = performance.now();
  const { depthFolderOf, openPipeline } = await import('../../../pipeline/index.js');
  const { openRelativeDepth } = await import('../../../pipeline/depth-model.js');
  const { renderPage } = await import('./page.js');
  const device = await chosenDevice(options.device);
  const pipeline = openPipeline(pipelineFolder, { device });
  const depthFolder = depthFolderOf(pipelineFolder);
  const depthModel = depthFolder === null ? null : openRelativeDepth(depthFolder, { device });
  clear(output);

  const { numInferenceSteps, guidanceScale } = pipeline.settings;
  const page: PageContent = {
    pipelineFolder,
    numInferenceSteps,
    guidanceScale,
    machine: await machine(),
    cases: [],
    scores: new Map(),
    sheets: new Map(),
    live: null,
    trainingFolder: TRAINING,
    seconds: 0,
    pending: 'This demo is running: reload the page in a minute.',
  };
  const write = () => {
    page.seconds = (performance.now() - startMs) / 1000;
    writeFileSync(join(output, 'index.html'), renderPage(page));
  };
  write();

  return withInterrupt('stopping', async (signal) => {
    const parts = training ? 'first of two parts' : 'the only part';
    process.stderr.write(`${parts}: all tasks with ${pipelineFolder}\n`);
    try {
      await showTasks(page, { pipeline, depthModel, output, signal });
    } catch (error) {
      if (!signal.aborted) throw error;
      page.pending = 'This demo was stopped before it had anything to show: run it again.';
      write();
      return INTERRUPTED;
    } finally {
      pipeline.dispose();
      depthModel?.network.dispose();
    }
    page.pending = training ? 'The live training is running: reload the page in two minutes.' : '';
    write();
    if (training) {
      const { liveTraining } = await import('./live.js');
      const { progressReporter } = await import('../../terminal/report-progress.js');
      process.stderr.write('second part: two minutes of training from scratch\n');
      const folder = join(output, TRAINING);
      page.live = await liveTraining(folder, progressReporter(), signal, pipeline.device);
      if (!page.live) return INTERRUPTED;
      page.pending = '';
      write();
    }
    process.stderr.write(`done in ${Math.round(page.seconds)} s; open the page in a browser\n`);
    process.stdout.write(`${resolve(output, 'index.html')}\n`);
    return undefined;
  });
}

interface Shown {
  pipeline: import('../../../pipeline/index.js').Pipeline;
  depthModel: DepthModel | null;
  output: string;
  signal: AbortSignal;
}

async function showTasks(
  page: PageContent,
  { pipeline, depthModel, output, signal }: Shown,
): Promise<void> {
  const { demoCases } = await import('./cases.js');
  const { TASK_IDS } = await import('../../../tasks/index.js');
  const { scoreLine } = await import('./score.js');
  const { showCase, taskSheet } = await import('./show.js');
  const trained = pipeline.settings.tasks;
  const tasks = TASK_IDS.filter((id) => trained?.includes(id) ?? true);
  const { estimateDepth } = await import('../../../models/depth-anything/index.js');
  const folder = join(output, PICTURES);
  const cases = await demoCases(pipeline.settings, {
    tasks,
    folder,
    hasDepthModel: depthModel !== null,
  });
  const progress = new Progress({ label: 'generating', total: cases.length, unit: '' });
  try {
    const shown = [];
    for (const [i, demoCase] of cases.entries()) {
      const result = await showCase(pipeline, demoCase, {
        folder: output,
        pictures: PICTURES,
        pipelineFolder: page.pipelineFolder,
        estimateDepth: depthModel && ((known) => estimateDepth(depthModel, known)),
        signal,
        onStep: (step, total) => progress.update(i + step / total, demoCase.id),
      });
      shown.push(result);
    }
    const sheets = new Map();
    const scores = new Map();
    for (const id of new Set(cases.map(({ section }) => section))) {
      const own = shown.filter(({ section }) => section === id);
      const ownCases = cases.filter(({ section }) => section === id);
      scores.set(
        id,
        scoreLine(
          ownCases,
          own.map(({ score }) => score),
        ),
      );
      sheets.set(id, `${PICTURES}/${id}-sheet.png`);
      await taskSheet(own, join(output, sheets.get(id)));
    }
    Object.assign(page, { cases: shown, scores, sheets });
  } finally {
    progress.end();
  }
}

/** Empties the folder of an earlier demo. @throws InputError if it holds anything else */
function clear(output: string): void {
  const page = join(output, 'index.html');
  const taken = existsSync(output) && readdirSync(output).length > 0;
  if (taken && !(existsSync(page) && readFileSync(page, 'utf8').includes('<title>mfm demo'))) {
    throw new InputError(`${output}: holds something other than a demo; name a new folder`);
  }
  for (const part of [PICTURES, TRAINING]) {
    rmSync(join(output, part), { recursive: true, force: true });
  }
  mkdirSync(join(output, PICTURES), { recursive: true });
}

/** A phrase that describes the machine. */
async function machine(): Promise<string> {
  const { engineInfo } = await import('../../../tensor/index.js');
  const { libtorch, matrixUnits, threads } = engineInfo();
  return `LibTorch ${libtorch}, ${matrixUnits}, ${threads} threads`;
}
