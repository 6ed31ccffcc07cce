/**
 * What teaches more in equal time? Trains the transformer of the small model from scratch, once for
 * every change of a recipe and every seed, each on one thread for the same time, then prints a table
 * of validation losses and of figures of held-out scenes. All that is done is kept: run it again to
 * continue, or with other changes.
 *
 *     node --import tsx bench/levers.ts FOLDER --minutes 10 --jobs 2
 *     node --import tsx bench/levers.ts FOLDER --only base,routing --seeds 1,2,3
 *
 * Nothing else should run meanwhile. The autoencoder and the text encoder are those of
 * models/mfm-mini; the condition adapter was trained alone before, once for each seed.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { markdownTable } from '../src/cli/terminal/table.js';
import { InputError } from '../src/errors.js';
import { fromRoot } from '../src/files/package-root.js';

const TASKS = { t2i: 2, t2v: 2, i2v: 2, vsr: 1, vinp: 1 };

/** Of each task: the figure in the eval's report, and what it is called here. */
const FIGURES = [
  ['t2i', 'shapes', 't2i shapes, %'],
  ['t2v', 'shapes', 't2v shapes, %'],
  ['t2v', 'motions', 't2v motions, %'],
  ['i2v', 'unknownPsnr', 'i2v, dB'],
  ['vsr', 'psnr', 'vsr, dB'],
  ['vinp', 'unknownPsnr', 'vinp, dB'],
] as const;

/** Keys of `transformer`, or of MiniWorld, that differ from those of `base`. */
interface Change {
  transformer?: object;
  miniworld?: object;
}

const CHANGES: Record<string, Change> = {
  base: {},
  'lr 1e-3': { transformer: { learningRate: 1e-3 } },
  'lr 4e-3': { transformer: { learningRate: 4e-3 } },
  'few scenes': { miniworld: { clips: 200, images: 800 } },
  'fresh scenes': { miniworld: { clips: 200, images: 800, reuse: 8 } },
  'batch x2': { transformer: { tokensPerBatch: 2560 } },
  routing: { transformer: { tokenRouting: { share: 0.5 } } },
  'align latents': { transformer: { alignment: { weight: 0.5 } } },
  'align scene': { transformer: { alignment: { weight: 0.5, to: 'scene' } } },
  contrast: { transformer: { contrast: 0.05 } },
  shift: { transformer: { timestepShift: { default: 2.5, i2v: 1.5, vsr: 1.5, vinp: 1.5 } } },
  decay: { transformer: { decayShare: 0.3 } },
};

const args = defineArgs({
  positional: { folder: { kind: 'text', describe: 'where runs and figures are kept' } },
  options: {
    minutes: { kind: 'number', default: 10, min: 0.1, describe: 'training time of each' },
    seeds: { kind: 'text', default: '1,2', describe: 'seeds, separated by commas' },
    only: { kind: 'text', describe: 'only these changes, separated by commas' },
    jobs: { kind: 'integer', default: 1, min: 1, describe: 'trainings beside each other' },
    scenes: { kind: 'integer', default: 24, min: 1, describe: 'held-out scenes of each task' },
  },
});
const options = parseArgs('bench/levers.ts', args, process.argv.slice(2));
const folder = resolve(options.folder);
const seeds = options.seeds.split(',').map(Number);
const names = options.only?.split(',') ?? Object.keys(CHANGES);
for (const name of names) {
  if (!Object.hasOwn(CHANGES, name)) {
    throw new InputError(`--only: no change "${name}"; there are ${Object.keys(CHANGES)}`);
  }
}

/** What one training gave: validation losses by task, and figures by their names in `FIGURES`. */
interface Found {
  steps: number;
  losses: Record<string, number>;
  figures: Record<string, number>;
}

await inTurns(seeds.map((seed) => () => start(seed)));
await inTurns(seeds.flatMap((seed) => names.map((name) => () => trial(name, seed))));
print();

/** Runs all, at most `--jobs` at once. */
async function inTurns(jobs: (() => Promise<unknown>)[]): Promise<void> {
  const waiting = [...jobs];
  const worker = async () => {
    for (let job = waiting.shift(); job; job = waiting.shift()) await job();
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
}

/** The recipe of a training; the last arguments are keys of `transformer` and of MiniWorld. */
function recipe(name: string, seed: number, transformer: object, miniworld: object = {}) {
  const shipped = { from: fromRoot('models/mfm-mini') };
  return {
    name,
    seed,
    data: [{ miniworld: { clips: 1000, images: 4000, ...miniworld } }],
    autoencoder: shipped,
    textEncoder: shipped,
    transformer: {
      numLayers: 6,
      learningRate: 2e-3,
      finalLearningRate: 0.02,
      warmupSteps: 50,
      conditionScale: 2,
      timestepShift: 2.5,
      tokensPerBatch: 1280,
      imageShare: [0.4, 0.4],
      mixAt: 0,
      tasks: TASKS,
      validateEverySteps: 1e6,
      sampleEverySteps: 1e6,
      ...transformer,
    },
    scheduler: { shift: 1.6 },
    pipeline: {
      guidanceScale: 1,
      taskSettings: { t2i: { guidanceScale: 4 }, t2v: { guidanceScale: 4 } },
      numInferenceSteps: 24,
      fps: 8,
      promptLength: 40,
    },
  };
}

/** A pipeline whose adapter is trained, and whose blocks are not. */
async function start(seed: number): Promise<void> {
  const adapter = { steps: 400, learningRate: 2e-3, finalLearningRate: 0.02, warmupSteps: 50 };
  await train(recipe(`start-${seed}`, seed, { adapter, steps: 1, learningRate: 1e-9 }), 'scenes');
}

async function trial(name: string, seed: number): Promise<void> {
  const place = `${name.replaceAll(' ', '-')}-${seed}`;
  const { transformer, miniworld } = CHANGES[name];
  const run = await train(
    recipe(
      place,
      seed,
      {
        from: join(folder, `start-${seed}`, 'pipeline'),
        steps: 1e6,
        maxSeconds: 60 * options.minutes,
        ...transformer,
      },
      miniworld,
    ),
    miniworld ? place : 'scenes',
  );
  const report = join(folder, `${place}-eval`);
  if (!existsSync(join(report, 'report.json'))) {
    const scenes = ['--scenes', String(options.scenes), '--no-baselines', '-o', report];
    await mfm(['eval', join(run, 'pipeline'), '--tasks', Object.keys(TASKS).join(','), ...scenes]);
  }
  console.error(`${place} done`);
}

/** Trains unless that was done, with a cache of encoded scenes for each seed and `scenes`. */
async function train(plan: ReturnType<typeof recipe>, scenes: string): Promise<string> {
  const run = join(folder, plan.name);
  if (existsSync(join(run, 'pipeline', 'model_index.json'))) return run;
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${plan.name}.yaml`);
  writeFileSync(file, JSON.stringify(plan, null, 2)); // which YAML can read
  const cache = join(folder, `cache-${plan.seed}-${scenes}`);
  const resume = existsSync(join(run, 'recipe.json')) ? ['--resume'] : [];
  await mfm(['train', file, '--run', run, '--cache', cache, '--workers', '1', ...resume]);
  return run;
}

async function mfm(words: readonly string[]): Promise<void> {
  const env = { ...process.env, MFM_THREADS: '1', OMP_NUM_THREADS: '1' };
  await promisify(execFile)(fromRoot('mfm'), words, { env, maxBuffer: 2 ** 28 });
}

function found(name: string, seed: number): Found {
  const place = join(folder, `${name.replaceAll(' ', '-')}-${seed}`);
  const lines = readFileSync(join(place, 'metrics.jsonl'), 'utf8').trim().split('\n');
  const last = lines.map((line) => JSON.parse(line)).findLast((line) => 'validation/t2v' in line);
  const report = JSON.parse(readFileSync(join(`${place}-eval`, 'report.json'), 'utf8'));
  const figure = (task: string, id: string): number =>
    report.tasks
      .find((row: { task: string }) => row.task === task)
      .figures.find((row: { figure: string }) => row.figure === id).values.made.value;
  return {
    steps: last.step,
    losses: Object.fromEntries(Object.keys(TASKS).map((id) => [id, last[`validation/${id}`]])),
    figures: Object.fromEntries(FIGURES.map(([task, id, title]) => [title, figure(task, id)])),
  };
}

/** A row for each change; a cell has a figure for each seed. */
function print(): void {
  const rows = names.map((name) => {
    const all = seeds.map((seed) => found(name, seed));
    const cell = (of: (one: Found) => number, digits: number) =>
      all.map((one) => of(one).toFixed(digits)).join(', ');
    return [
      name,
      cell(({ steps }) => steps, 0),
      ...Object.keys(TASKS).map((id) => cell(({ losses }) => losses[id], 3)),
      ...FIGURES.map(([, , title]) =>
        cell(({ figures }) => figures[title], title.endsWith('%') ? 0 : 2),
      ),
    ];
  });
  const losses = Object.keys(TASKS).map((id) => `loss ${id}`);
  const heading = ['change', 'steps', ...losses, ...FIGURES.map(([, , title]) => title)];
  console.log(markdownTable([heading, ...rows]).join('\n'));
}
