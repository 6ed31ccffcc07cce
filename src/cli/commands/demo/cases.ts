/** The demo's cases: held-out MiniWorld scenes, prompts, and files of examples/media. */
import { relative } from 'node:path';
import type { Scene } from '../../../data/miniworld/index.js';
import { heldOutTrial, targetOf } from '../../../eval/scenes.js';
import { fromRoot } from '../../../files/package-root.js';
import { type Frames, readVideo, type Size } from '../../../media/index.js';
import type { PipelineSettings } from '../../../pipeline/index.js';
import { TASK_IDS, TASKS, type Task, type TaskId } from '../../../tasks/index.js';
import { type GivenFiles, writeGiven } from './given-files.js';

/** One call of `mfm generate`, and the reference for its result. */
export interface DemoCase extends GivenFiles {
  /** e.g. `t2v-1`; its files' names begin with it */
  id: string;
  task: TaskId;
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

/** The tasks that are shown; the inputs of a mixture have places, which these cases do not. */
export const DEMO_TASKS = TASK_IDS.filter((id) => !TASKS[id].placed);

/** Number of held-out scenes to show for a task; other tasks show `FEW_SCENES`. */
const SCENES: Partial<Record<TaskId, number>> = { t2i: 6, t2v: 4, i2v: 3, vsr: 3, vinp: 3 };
const FEW_SCENES = 2;

/** Prompts with words of MiniWorld's captions, in new combinations. */
const WORDS: [TaskId, string][] = [
  ['t2i', 'a large purple sphere in front of a small yellow cone'],
  ['t2i', 'a small cyan cube left of a large orange cylinder'],
  ['t2v', 'a large pink cube spins, the camera zooms in'],
];

const PHOTOS: [file: string, prompt: string][] = [
  ['elephant.jpg', 'the camera pans right'],
  ['gecko.jpg', 'the camera zooms in'],
];

const mediaFolder = fromRoot('examples/media');
export const exampleFile = (name: string): string => relative('.', `${mediaFolder}/${name}`);

/**
 * The cases of these tasks. The inputs from held-out scenes are written losslessly to `folder`, so that
 * the shown command gives the same result.
 */
export async function demoCases(
  tasks: readonly TaskId[] = DEMO_TASKS,
  settings: PipelineSettings,
  folder: string,
): Promise<DemoCase[]> {
  const cases: DemoCase[] = [];
  for (const id of tasks) {
    for (let index = 0; index < (SCENES[id] ?? FEW_SCENES); index++) {
      cases.push(await heldOutCase(TASKS[id], index, settings, folder));
    }
    cases.push(...ownCases(id));
    if (id === 'vsr') cases.push(await flowerCase());
  }
  return cases;
}

async function heldOutCase(
  task: Task,
  index: number,
  settings: PipelineSettings,
  folder: string,
): Promise<DemoCase> {
  const target = targetOf(task, settings);
  const { scene, truth, given, prompt } = heldOutTrial(task, index, target);
  const id = `${task.id}-${index + 1}`;
  const files = await writeGiven(task, given, `${folder}/${id}`, settings.fps);
  return {
    ...files,
    id,
    task: task.id as TaskId,
    origin: `held-out MiniWorld scene ${index}`,
    prompt,
    seed: index,
    size: files.inputs.length > 0 ? { width: target.width, height: target.height } : undefined,
    reference: truth,
    scene: scene.scene,
  };
}

/** Cases without a true picture. */
function ownCases(task: TaskId): DemoCase[] {
  const base = { task, inputs: [] as string[], depth: [], reference: null };
  if (task === 'i2v') {
    return PHOTOS.map(([file, prompt], seed) => {
      const name = exampleFile(file);
      return { ...base, id: `i2v-photo-${seed + 1}`, origin: name, prompt, seed, inputs: [name] };
    });
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
    origin: input,
    prompt: '',
    seed: 0,
    inputs: [input],
    depth: [],
    reference: await readVideo(exampleFile('flower.mp4')),
  };
}
