/**
 * The JSON stored with a result: the settings that determine it, and under `made` its facts and the
 * versions that made it. A resumed batch compares only the settings, so that an upgraded program does
 * not generate existing results again.
 */
import { packageVersion } from '../files/package-root.js';
import { type Seed, seedInJson } from '../seed.js';
import type { Task } from '../tasks/index.js';
import { engineInfo } from '../tensor/index.js';
import { type Asked, withMedia } from './asked.js';
import type { Engine } from './engine.js';
import { inputInJson, type MediaInput } from './media-input.js';

/** The options that were given, and the pipeline's settings for all others. */
export type AskedSettings = Record<string, unknown>;

/** The settings stored in a result's file. */
export interface ResultSettings extends AskedSettings {
  made?: Record<string, unknown>;
}

export interface ResultRequest {
  task: Task;
  seed: Seed;
  asked: Asked<MediaInput>;
}

interface SavingSettings {
  fps?: number;
  quality?: number;
  settings?: Record<string, unknown>;
}

/** Everything that determines a result. The last argument holds what was given to `save`. */
export async function settingsOf(
  { pipeline, folder, asked: opened, loras }: Engine,
  { task, seed, asked }: ResultRequest,
  { fps, quality, settings }: SavingSettings,
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
    quality,
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

/** Versions of the programs, and the CPU kernels in use. */
export function versions(): Record<string, string> {
  const { libtorch, kernels } = engineInfo();
  return { mfm: packageVersion, libtorch, node: process.version.slice(1), kernels };
}
