/** Turns held-out scenes of MiniWorld into trials of tasks. */
import { type MiniWorldSample, miniWorld } from '../data/miniworld/index.js';
import { sceneSample } from '../data/miniworld/sample.js';
import { RandomStream } from '../data/random.js';
import type { Frames } from '../media/index.js';
import type { PipelineSettings } from '../pipeline/index.js';
import { promptFor, type Target, type Task } from '../tasks/index.js';
import type { Trial, Trials } from './trials.js';

/** The target of a task at the size and length that the pipeline was trained on. */
export function targetOf(task: Pick<Task, 'result'>, settings: PipelineSettings): Target {
  const { width, height } = settings;
  return { width, height, numFrames: task.result === 'image' ? 1 : settings.numFrames };
}

export interface SceneTrial extends Trial {
  scene: MiniWorldSample;
}

/** A held-out scene as a trial of a task; the same index always gives the same trial. */
export function heldOutTrial(task: Task, index: number, target: Target): SceneTrial {
  const scene = miniWorld(index, { ...target, split: 'heldout' });
  const truth: Frames = { ...target, data: scene.frames };
  const sample = sceneSample(scene.scene, truth, scene.caption, scene);
  return {
    name: `scene-${index}`,
    scene,
    truth,
    prompt: promptFor(task, sample),
    given: task.fromSample(sample, new RandomStream(index, `trial ${task.id}`)),
  };
}

/** Scenes 0, 1, 2, … of the held-out split as trials of a task. */
export function heldOutTrials(task: Task, count: number, settings: PipelineSettings): Trials {
  const target = targetOf(task, settings);
  return { count, at: async (index) => heldOutTrial(task, index, target) };
}
