/** Short messages at the edge of the page. */
import { signal } from '@preact/signals';
import { ApiError } from '../api/client.js';

export interface Message {
  id: number;
  text: string;
  /** it tells of a problem, and stays until it is closed */
  bad: boolean;
  /** it tells that the server does not answer, which is over when it does */
  isBreak: boolean;
}

export const messages = signal<readonly Message[]>([]);

/** How long a message stays, in ms; one of a problem stays until it is closed. */
const STAYS = 5000;
/** How many notes are shown at once; the oldest make room, but never what tells of a problem. */
const MOST_NOTES = 3;
let last = 0;

export function say(text: string, bad = false, isBreak = false): void {
  // what is said already need not be said again
  if (messages.value.some((message) => message.text === text)) return;
  const id = ++last;
  const all = [...messages.value, { id, text, bad, isBreak }];
  const outdated = all.filter((message) => !message.bad).slice(0, -MOST_NOTES);
  messages.value = all.filter((message) => !outdated.includes(message));
  if (!bad) setTimeout(() => close(id), STAYS);
}

export function close(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

/** The server answers again. */
export function forgetBreaks(): void {
  messages.value = messages.value.filter(({ isBreak }) => !isBreak);
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
    const isBreak = cause instanceof ApiError && cause.status === 0;
    say(cause instanceof Error ? cause.message : String(cause), true, isBreak);
    return null;
  }
}
