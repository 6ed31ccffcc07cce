/** What the server is and can do. */
import { computed, signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { Health, Model, Task } from '../api/types.js';
import { startJobs } from './jobs.js';
import { attempt } from './messages.js';
import { startTraining } from './training.js';

export const health = signal<Health | null>(null);
export const tasks = signal<readonly Task[]>([]);
export const models = signal<readonly Model[]>([]);

/** The server wants a key that this browser has not given. */
export const locked = computed(() => health.value?.auth === 'required');

export const taskOf = (id: string): Task | undefined => tasks.value.find((task) => task.id === id);

export async function start(): Promise<void> {
  health.value = await attempt(api.health);
  if (!health.value) {
    setTimeout(start, 3000);
    return;
  }
  if (locked.value) return;
  const [taskList, modelList] = await Promise.all([attempt(api.tasks), attempt(api.models)]);
  tasks.value = taskList ?? [];
  models.value = modelList ?? [];
  startJobs();
  startTraining();
}

export async function unlock(apiKey: string): Promise<boolean> {
  const done = await attempt(() => api.signIn(apiKey).then(() => true));
  if (done) await start();
  return done === true;
}
