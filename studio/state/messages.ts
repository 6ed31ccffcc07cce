/** Short messages at the edge of the page. */
import { signal } from '@preact/signals';

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
  const id = ++last;
  messages.value = [...messages.value.slice(-2), { id, text, bad }];
  if (!bad) setTimeout(() => close(id), STAYS);
}

export function close(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
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
