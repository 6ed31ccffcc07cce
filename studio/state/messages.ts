/** Short messages at the edge of the page. */
import { signal } from '@preact/signals';
import { ApiError } from '../api/client.js';

export interface Message {
  id: number;
  text: string;
  bad: boolean;
}

export const messages = signal<readonly Message[]>([]);

/** How long a message stays, in ms; one of a problem stays until it is closed. */
const STAYS = 5000;
let last = 0;

export function say(text: string, bad = false): void {
  // what is said already need not be said again
  if (messages.value.some((message) => message.text === text)) return;
  const id = ++last;
  messages.value = [...messages.value.slice(-2), { id, text, bad }];
  if (!bad) setTimeout(() => close(id), STAYS);
}

export function close(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

/** Looks at something that is looked at again soon: it does not matter if it cannot be seen for once. */
export async function look<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ApiError) return null;
    throw cause;
  }
}

/** Does something for a person, and shows the sentence of what goes wrong. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | null> {
  try {
    return await work();
  } catch (cause) {
    say(cause instanceof Error ? cause.message : String(cause), true);
    return null;
  }
}
