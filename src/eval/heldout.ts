/** How good a pipeline is on MiniWorld scenes that training never saw, task by task. */
import { setImmediate } from 'node:timers/promises';
import { findSolids, trackSolids } from '../data/miniworld/analyse.js';
import {
  type Frames,
  framesToTensor,
  type SheetRow,
  sliceFrames,
  tensorToFrames,
} from '../media/index.js';
import { type Pipeline, toModelLatents } from '../pipeline/index.js';
import { TASK_IDS, TASKS, type Task, type TaskId } from '../tasks/index.js';
import { noGrad, tidy } from '../tensor/index.js';
import { meanFill, nearestFrameFill, repeatFirstFrame } from './baselines.js';
import { addCounts, countNamed } from './naming.js';
import { clipPsnr, mean } from './quality.js';
import { heldOutTrial, sampleTrials, type Trial, type TrialResult, targetOf } from './scenes.js';

export interface HeldOutOptions {
  /** trials of each task: scenes 0, 1, 2, … of the held-out split */
  scenes: number;
  batchSize: number;
  seed: number;
  numInferenceSteps?: number;
  guidanceScale?: number;
  /** after every batch: trials done, of all tasks together, and what is being tried */
  onProgress?: (done: number, total: number, part: string) => void;
  signal?: AbortSignal;
}

export interface Figure {
  /** `autoencoder` or the task */
  part: string;
  name: string;
  unit: 'dB' | '%' | '';
  value: number;
  /** what the value is of: scenes, or solids named in captions */
  count: number;
  /** the same figure of something that needs no model, or of the true renders */
  baselines: Record<string, number>;
  aim: { text: string; reached: boolean } | null;
}

/** Pictures of the first scenes of a part. */
export interface Sheet {
  part: string;
  columns: string[];
  rows: SheetRow[];
}

export interface HeldOutReport {
  figures: Figure[];
  sheets: Sheet[];
}

const SHEET_SCENES = 8;
/** Clips that go through the autoencoder at once. */
const AUTOENCODER_BATCH = 4;

/**
 * Tries every task that the pipeline was trained on.
 * @throws the signal's reason when it aborts
 */
export async function evaluateHeldOut(
  pipeline: Pipeline,
  { scenes, onProgress, ...options }: HeldOutOptions,
): Promise<HeldOutReport> {
  const trained = pipeline.settings.tasks ?? TASK_IDS;
  const tasks = SCORED_TASKS.filter((id) => trained.includes(id));
  const total = scenes * (tasks.length + 1);
  const report: HeldOutReport = { figures: [], sheets: [] };
  const add = (part: string, { figures, sheet }: PartReport) => {
    report.figures.push(...figures.map((figure) => ({ part, ...figure })));
    report.sheets.push({ part, ...sheet });
  };

  const clips = trialsOf(TASKS.t2v, pipeline, scenes).map(({ truth }) => truth);
  const images = trialsOf(TASKS.t2i, pipeline, scenes).map(({ truth }) => truth);
  const tell = (done: number) => onProgress?.(done, total, 'autoencoder');
  add('autoencoder', await tryAutoencoder(pipeline, { clips, images }, tell, options.signal));

  for (const [i, id] of tasks.entries()) {
    const task: Task = TASKS[id];
    const trials = trialsOf(task, pipeline, scenes);
    const onDone = (done: number) => onProgress?.((i + 1) * scenes + done, total, id);
    add(id, SCORES[id]!(await sampleTrials(pipeline, task, trials, { ...options, onDone })));
  }
  return report;
}

function trialsOf(task: Task, { settings }: Pipeline, count: number): Trial[] {
  const target = targetOf(task, settings);
  return Array.from({ length: count }, (_, index) => heldOutTrial(task, index, target));
}

interface PartReport {
  figures: Omit<Figure, 'part'>[];
  sheet: Omit<Sheet, 'part'>;
}

/** How the result of a task is judged. */
const SCORES: Partial<Record<TaskId, (results: TrialResult[]) => PartReport>> = {
  t2i: scoreText,
  t2v: scoreText,
  i2v: scoreFirstFrame,
  isr: scoreUpscaling,
  vsr: scoreUpscaling,
  iinp: scoreHole,
  vinp: scoreHole,
  ioutp: scoreHole,
  voutp: scoreHole,
};

/** The tasks whose results can be judged. */
export const SCORED_TASKS = TASK_IDS.filter((id) => SCORES[id]);

async function tryAutoencoder(
  pipeline: Pipeline,
  { clips, images }: Record<'clips' | 'images', Frames[]>,
  onDone: (done: number) => void,
  signal?: AbortSignal,
): Promise<PartReport> {
  const back: Frames[] = [];
  const values = { clips: [] as number[], images: [] as number[] };
  for (let first = 0; first < clips.length; first += AUTOENCODER_BATCH) {
    signal?.throwIfAborted();
    for (let i = first; i < Math.min(first + AUTOENCODER_BATCH, clips.length); i++) {
      back[i] = await throughLatents(pipeline, clips[i]!);
      values.clips.push(clipPsnr(back[i]!, clips[i]!));
      values.images.push(clipPsnr(await throughLatents(pipeline, images[i]!), images[i]!));
    }
    onDone(values.clips.length);
    await setImmediate();
  }
  const ofClips = mean(values.clips);
  return {
    figures: [
      decibels('clips through latents', values.clips, {}, atLeast(28, ofClips, 'dB')),
      decibels('images through latents', values.images),
    ],
    sheet: {
      columns: ['held out', 'through latents'],
      rows: back.slice(0, SHEET_SCENES).map((clip, i) => ({ images: [clips[i]!, clip] })),
    },
  };
}

async function throughLatents(pipeline: Pipeline, clip: Frames): Promise<Frames> {
  const latents = noGrad(() =>
    tidy(() => {
      const unscaled = pipeline.autoencoder.encode(framesToTensor(clip)).mode();
      return toModelLatents(unscaled.to('float32')).keep();
    }),
  );
  const decoded = await pipeline.decode(latents);
  const frames = tidy(() => tensorToFrames(decoded));
  for (const tensor of [latents, decoded]) tensor.dispose();
  return frames;
}

/** Are the solids of the caption there, in colour, shape and motion? */
function scoreText(results: TrialResult[]): PartReport {
  const seenIn = (frames: Frames) =>
    frames.numFrames === 1 ? findSolids(frames.data, frames) : trackSolids(frames.data, frames);
  const counts = (of: (result: TrialResult) => Frames) =>
    addCounts(results.map((result) => countNamed(result.scene.scene, seenIn(of(result)))));
  const made = counts(({ result }) => result);
  // what the analyser says of the true pictures: no result can be told to be better
  const ceiling = counts(({ truth }) => truth);
  const percent = (
    name: string,
    of: (count: typeof made) => { right: number; named: number },
    aim: number | null = null,
  ): Omit<Figure, 'part'> => {
    const share = (count: typeof made) => (100 * of(count).right) / of(count).named;
    return {
      name,
      unit: '%',
      value: share(made),
      count: of(made).named,
      baselines: { 'true renders': share(ceiling) },
      aim: aim === null ? null : atLeast(aim, share(made), '%'),
    };
  };
  const figures = [
    percent('colours right', ({ colours, named }) => ({ right: colours, named }), 90),
    percent('shapes right', ({ shapes, named }) => ({ right: shapes, named }), 70),
    percent('shapes right, pairs never trained', ({ unseenPairs: { shapes, named } }) => ({
      right: shapes,
      named,
    })),
    percent('shapes right, trained pairs', ({ shapes, named, unseenPairs }) => ({
      right: shapes - unseenPairs.shapes,
      named: named - unseenPairs.named,
    })),
    ...(results[0]!.truth.numFrames > 1
      ? [percent('motions right, camera still', ({ motions }) => motions)]
      : []),
    {
      name: 'solids nobody asked for, per picture',
      unit: '' as const,
      value: made.extra / results.length,
      count: results.length,
      baselines: { 'true renders': ceiling.extra / results.length },
      aim: null,
    },
  ];
  return {
    // a set without a single such case has no share
    figures: figures.filter(({ count }) => count > 0),
    sheet: sheetOf(results, ['made', 'true render'], ({ result, truth }) => [result, truth]),
  };
}

function scoreFirstFrame(results: TrialResult[]): PartReport {
  const first = (frames: Frames) => sliceFrames(frames, 0, 1);
  const kept = results.map(({ result, truth }) => clipPsnr(first(result), first(truth)));
  const still = results.map(({ truth }) => repeatFirstFrame(truth));
  const whole = results.map(({ result, truth }) => clipPsnr(result, truth));
  const standing = mean(still.map((clip, i) => clipPsnr(clip, results[i]!.truth)));
  return {
    figures: [
      decibels('first frame, against the given one', kept, {}, atLeast(24, mean(kept), 'dB')),
      decibels('whole clip', whole, { 'first frame repeated': standing }),
    ],
    sheet: sheetOf(results, ['given', 'made', 'true render'], ({ shown, result, truth }) => [
      first(shown),
      result,
      truth,
    ]),
  };
}

function scoreUpscaling(results: TrialResult[]): PartReport {
  const made = results.map(({ result, truth }) => clipPsnr(result, truth));
  // the condition is the small clip enlarged by Pillow's bicubic: the baseline itself
  const bicubic = mean(results.map(({ shown, truth }) => clipPsnr(shown, truth)));
  return {
    figures: [decibels('2 to 6 times smaller', made, { bicubic }, above(made, { bicubic }))],
    sheet: sheetOf(results, ['bicubic', 'made', 'true render'], ({ shown, result, truth }) => [
      shown,
      result,
      truth,
    ]),
  };
}

function scoreHole(results: TrialResult[]): PartReport {
  const inHole = (of: (result: TrialResult) => Frames) =>
    results.map((result) => clipPsnr(of(result), result.truth, holeOf(result)));
  const made = inHole(({ result }) => result);
  const baselines = {
    'mean fill': mean(inHole((result) => meanFill(result.truth, holeOf(result)))),
    'nearest frame': mean(inHole((result) => nearestFrameFill(result.truth, holeOf(result)))),
  };
  return {
    figures: [decibels('inside the hole', made, baselines, above(made, baselines))],
    sheet: sheetOf(results, ['given', 'nearest frame', 'made', 'true render'], (trial) => [
      trial.shown,
      nearestFrameFill(trial.truth, holeOf(trial)),
      trial.result,
      trial.truth,
    ]),
  };
}

const holeOf = ({ given }: TrialResult): Uint8Array => given.known[0]!.hole!;

function decibels(
  name: string,
  values: number[],
  baselines: Figure['baselines'] = {},
  aim: Figure['aim'] = null,
): Omit<Figure, 'part'> {
  return { name, unit: 'dB', value: mean(values), count: values.length, baselines, aim };
}

const atLeast = (aim: number, value: number, unit: string): Figure['aim'] => ({
  text: `at least ${aim} ${unit}`,
  reached: value >= aim,
});

const above = (values: number[], baselines: Figure['baselines']): Figure['aim'] => ({
  text: `above ${Object.keys(baselines).join(' and ')}`,
  reached: mean(values) > Math.max(...Object.values(baselines)),
});

function sheetOf(
  results: TrialResult[],
  columns: string[],
  images: (result: TrialResult) => Frames[],
): Omit<Sheet, 'part'> {
  const rows = results
    .slice(0, SHEET_SCENES)
    .map((result) => ({ label: result.scene.caption, images: images(result) }));
  return { columns, rows };
}
