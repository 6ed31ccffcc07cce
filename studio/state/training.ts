/** Training runs and fine-tunings. */
import { signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { DataFolder, FineTuningJob, Lora, Run } from '../api/types.js';
import { look } from './messages.js';
import { models, readModels } from './server.js';

export const runs = signal<readonly Run[]>([]);
export const fineTunings = signal<readonly FineTuningJob[]>([]);
export const dataFolders = signal<readonly DataFolder[]>([]);

/** whether these were read */
export const areRead = signal(false);

/** LoRAs that can be used. */
export const loras = signal<readonly Lora[]>([]);

/** @throws ApiError */
export async function readLoras(): Promise<void> {
  loras.value = await api.loras();
}

/** @throws ApiError */
export async function readTraining(): Promise<void> {
  const [runList, jobList, folders] = await Promise.all([
    api.runs(),
    api.fineTunings(),
    api.dataFolders(),
  ]);
  runs.value = runList;
  fineTunings.value = jobList;
  dataFolders.value = folders;
  areRead.value = true;
}

/** Takes in how a fine-tuning stands; what it has made can be chosen from then on. */
export function takeFineTuning(job: FineTuningJob): void {
  const isKnown = fineTunings.value.some(({ id }) => id === job.id);
  fineTunings.value = isKnown
    ? fineTunings.value.map((other) => (other.id === job.id ? job : other))
    : [job, ...fineTunings.value];
  const { fine_tuned_model: made, method } = job;
  const [known, read] = method === 'full' ? [models, readModels] : [loras, readLoras];
  if (made && !known.value.some(({ id }) => id === made)) void look(read);
}
