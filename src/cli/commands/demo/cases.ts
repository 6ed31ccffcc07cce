/** The demo's cases: held-out MiniWorld scenes, prompts, and files of examples/. */
import { relative } from 'node:path';
import type { Scene } from '../../../data/miniworld/index.js';
import { itemParts } from '../../../eval/items.js';
import { CASES, inFileName, MIXTURES, trainedTask } from '../../../eval/mixtures.js';
import { heldOutTrial, targetOf } from '../../../eval/scenes.js';
import type { Trial } from '../../../eval/trials.js';
import { fromRoot } from '../../../files/package-root.js';
import { type Frames, readVideo, type Size } from '../../../media/index.js';
import type { PipelineSettings } from '../../../pipeline/index.js';
import { TASKS, type Task, type TaskId, taskOf } from '../../../tasks/index.js';
import { type GivenFiles, writeGiven, writePlaced } from './given-files.js';

/** One call of `mfm generate`, and the reference for its result. */
export interface DemoCase extends GivenFiles {
  /** e.g. `t2v-1`; its files' names begin with it */
  id: string;
  task: TaskId;
  /** part of the page that it is shown in: a task's own, or the photos' */
  section: TaskId | typeof PHOTOS;
  /** where its input comes from */
  origin: string;
  prompt: string;
  seed: number;
  size?: Size;
  /** the true picture, if there is one */
  reference: Frames | null;
  /** the held-out scene, if it is one */
  scene?: Scene;
}

/** The section of photos and clips, which is not one of a task. */
export const PHOTOS = 'photos';

/** Number of held-out scenes to show for a task; other tasks show `FEW_SCENES`. */
const SCENES: Partial<Record<TaskId, number>> = { t2i: 6, t2v: 4, i2v: 3, vsr: 3, vinp: 3 };
const FEW_SCENES = 2;

/** Prompts with words of MiniWorld's captions, in new combinations. */
const WORDS: [TaskId, string][] = [
  ['t2i', 'a large purple sphere in front of a small yellow cone'],
  ['t2i', 'a small cyan cube left of a large orange cylinder'],
  ['t2v', 'a large pink cube spins, the camera zooms in'],
];

/** Photos that begin a clip, and what the camera does. */
const BEGINNINGS: [file: string, prompt: string][] = [
  ['elephant.jpg', 'the camera pans right'],
  ['gecko.jpg', 'the camera zooms in'],
];

/** What is done to photos and clips on purpose, so that the true picture is known. */
const DAMAGES = ['isr:2x', 'icolor', 'iinp', 'ioutp', 'vsr:2x', 'vcolor', 'vinp', 'vexd', 'i2v'];
/** Photos are shown at this size, where one can see what they show, whatever was trained. */
const PHOTO_SIDE = 128;

const mediaFolder = fromRoot('examples/media');
export const exampleFile = (name: string): string => relative('.', `${mediaFolder}/${name}`);
const photosManifest = fromRoot('examples/photos/manifest.jsonl');

interface DemoOptions {
  tasks: readonly TaskId[];
  /** folder that the inputs from held-out scenes and photos are written to */
  folder: string;
  /** can the depth of a clip be estimated? */
  hasDepthModel: boolean;
}

/**
 * The cases of these tasks. Inputs that are not files already are written losslessly, so that the shown
 * command gives the same result.
 */
export async function demoCases(
  settings: PipelineSettings,
  { tasks, folder, hasDepthModel }: DemoOptions,
): Promise<DemoCase[]> {
  const cases: DemoCase[] = [];
  for (const id of tasks) {
    for (const task of TASKS[id].placed ? MIXTURES : [TASKS[id]]) {
      for (let index = 0; index < (SCENES[id] ?? FEW_SCENES); index++) {
        cases.push(await sceneCase(task, index, settings, folder));
      }
    }
    if (id !== 'mtrans' || hasDepthModel) cases.push(...ownCases(id));
    if (id === 'vsr') cases.push(await flowerCase());
  }
  // last, as the included model has learnt little of the real world
  return [...cases, ...(await photoCases(tasks, settings, folder))];
}

async function sceneCase(
  task: Task,
  index: number,
  settings: PipelineSettings,
  folder: string,
): Promise<DemoCase> {
  const trial = heldOutTrial(task, index, targetOf(task, settings));
  const about = {
    id: `${inFileName(task.id)}-${index + 1}`,
    section: trainedTask(task).id as TaskId,
    origin: `held-out MiniWorld scene ${index}`,
    seed: index,
  };
  return { ...(await trialCase(task, trial, about, settings, folder)), scene: trial.scene.scene };
}

/** Photos and clips, damaged on purpose. */
async function photoCases(
  tasks: readonly TaskId[],
  settings: PipelineSettings,
  folder: string,
): Promise<DemoCase[]> {
  const damages = DAMAGES.map((id) => taskOf(id, CASES)).filter((task) =>
    tasks.includes(trainedTask(task).id as TaskId),
  );
  if (damages.length === 0) return [];
  const { parts } = await itemParts(photosManifest, damages, {
    settings: { width: PHOTO_SIDE, height: PHOTO_SIDE, numFrames: settings.numFrames },
    limit: null,
    segments: null,
  });
  const cases: DemoCase[] = [];
  for (const { task, trials } of parts) {
    for (let index = 0; index < trials.count; index++) {
      const trial = await trials.at(index);
      const about = {
        id: `photo-${inFileName(task.id)}-${index + 1}`,
        section: PHOTOS,
        origin: `${trial.name}: ${task.summary}`,
        seed: index,
      } as const;
      cases.push(await trialCase(task, trial, about, settings, folder));
    }
  }
  return cases;
}

async function trialCase(
  task: Task,
  { truth, given, prompt }: Trial,
  about: Pick<DemoCase, 'id' | 'section' | 'origin' | 'seed'>,
  { fps }: PipelineSettings,
  folder: string,
): Promise<DemoCase> {
  const stem = `${folder}/${about.id}`;
  const files = task.placed
    ? await writePlaced(given, stem, fps)
    : await writeGiven(task, given, stem, fps);
  const { width, height } = truth;
  return {
    ...files,
    ...about,
    task: trainedTask(task).id as TaskId,
    prompt,
    size: given.known.length + given.geometry.length > 0 ? { width, height } : undefined,
    reference: truth,
  };
}

/** Cases without a true picture. */
function ownCases(task: TaskId): DemoCase[] {
  const base = { task, section: task, inputs: [] as string[], depth: [], reference: null };
  if (task === 'i2v') {
    return BEGINNINGS.map(([file, prompt], seed) => {
      const name = exampleFile(file);
      return { ...base, id: `i2v-photo-${seed + 1}`, origin: name, prompt, seed, inputs: [name] };
    });
  }
  if (task === 'mtrans') {
    const input = exampleFile('flower.mp4');
    const own = { id: 'mtrans-clip', origin: input, prompt: 'a large red sphere', seed: 0 };
    return [{ ...base, ...own, inputs: [input] }];
  }
  if (task === 'vinp') {
    const [input, mask] = [exampleFile('rabbit.mp4'), exampleFile('rabbit-mask.mp4')];
    const own = {
      id: 'vinp-clip',
      origin: `${input}, with the rabbit to be removed`,
      prompt: '',
      seed: 0,
    };
    return [{ ...base, ...own, inputs: [input], mask }];
  }
  return WORDS.filter(([id]) => id === task).map(([, prompt], seed) => ({
    ...base,
    id: `${task}-words-${seed + 1}`,
    origin: 'a prompt written for this demo',
    prompt,
    seed,
  }));
}

async function flowerCase(): Promise<DemoCase> {
  const input = exampleFile('flower-small.mp4');
  return {
    id: 'vsr-clip',
    task: 'vsr',
    section: 'vsr',
    origin: input,
    prompt: '',
    seed: 0,
    inputs: [input],
    depth: [],
    reference: await readVideo(exampleFile('flower.mp4')),
  };
}
