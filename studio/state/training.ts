/** Training runs and fine-tunings. */
import { signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { FineTuningJob, Run } from '../api/types.js';
import { look } from './messages.js';

export const runs = signal<readonly Run[]>([]);
export const fineTunings = signal<readonly FineTuningJob[]>([]);
export const dataFolders = signal<readonly { name: string; files: number }[]>([]);

/** LoRAs that can be used. */
export const usableLoras = () =>
  fineTunings.value.filter(({ fine_tuned_model, method }) => fine_tuned_model && method === 'lora');

export function startTraining(): void {
  void loadTraining();
}

export async function loadTraining(): Promise<void> {
  const [runList, jobList, folders] = await Promise.all([
    look(api.runs),
    look(api.fineTunings),
    look(api.dataFolders),
  ]);
  runs.value = runList ?? runs.value;
  fineTunings.value = jobList ?? fineTunings.value;
  dataFolders.value = folders ?? dataFolders.value;
}

export function mergeTraining(job: FineTuningJob): void {
  const known = fineTunings.value.some(({ id }) => id === job.id);
  fineTunings.value = known
    ? fineTunings.value.map((other) => (other.id === job.id ? job : other))
    : [job, ...fineTunings.value];
}
