/**
 * The JSON that stays with a result: the settings it follows from, and under `made` what it came to
 * and with which versions. A batch that goes on compares the settings alone, so an upgraded program
 * does not make again what is there.
 */
import { packageVersion } from '../files/package-root.js';
import { type Seed, seedInJson } from '../seed.js';
import type { Task } from '../tasks/index.js';
import { engineInfo } from '../tensor/index.js';
import { type Asked, withMedia } from './asked.js';
import type { Engine } from './engine.js';
import { inputInJson, type MediaInput } from './media-input.js';

/** What is asked for: options that are given, and the pipeline's own settings. */
export type AskedSettings = Record<string, unknown>;

/** What stays with a result, in its file. */
export interface ResultSettings extends AskedSettings {
  made?: Record<string, unknown>;
}

export interface ResultRequest {
  task: Task;
  seed: Seed;
  asked: Asked<MediaInput>;
}

/** All that a result follows from. @param own   of the file that it is saved to */
export async function settingsOf(
  { pipeline, folder, asked: opened, loras }: Engine,
  { task, seed, asked }: ResultRequest,
  { fps, settings }: { fps?: number; settings?: Record<string, unknown> },
): Promise<AskedSettings> {
  const request = await withMedia(asked, inputInJson);
  return {
    task: task.id,
    pipeline: folder,
    dtype: opened.dtype,
    device: opened.device,
    depthModel: opened.depthModel,
    loras: loras.length > 0 ? loras : undefined,
    fps,
    ...settings,
    ...pick(pipeline.settingsFor(task), SETTINGS),
    seed: seedInJson(seed),
    ...pick(request, Object.keys(request)),
  };
}

const SETTINGS = [
  ...['numInferenceSteps', 'guidanceScale', 'motionScore', 'addedPrompt', 'negativePrompt'],
];

/** The named entries that are set. */
function pick(from: object, names: string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(from).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}

/** The programs and the kernels that compute. */
export function versions(): Record<string, string> {
  const { libtorch, kernels } = engineInfo();
  return { mfm: packageVersion, libtorch, node: process.version.slice(1), kernels };
}
