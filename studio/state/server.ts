/** What the server is and can do. */
import { computed, signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { Health, Model, Task } from '../api/types.js';

export const health = signal<Health | null>(null);
export const tasks = signal<readonly Task[]>([]);
export const models = signal<readonly Model[]>([]);

/** The server wants a key that this browser has not given. */
export const locked = computed(() => health.value?.auth === 'required');

export const taskOf = (id: string): Task | undefined => tasks.value.find((task) => task.id === id);

/** @throws ApiError */
export async function readTasks(): Promise<void> {
  tasks.value = await api.tasks();
}

/** @throws ApiError */
export async function readModels(): Promise<void> {
  models.value = await api.models();
}
