/** The stream of events, which is opened again when it breaks. */
import type { ReadonlySignal } from '@preact/signals';
import { eventParser } from '../logic/sse.js';
import { ApiError, problemOf } from './client.js';
import type { EventData } from './types.js';

/** Wait before connecting again, in ms; it doubles up to the second value. */
const PAUSES = [500, 8000] as const;

/** Silence after which the connection is taken for dead, in ms; the server says something every 15 s. */
const SILENCE = 45_000;

export interface EventListener {
  /** Begins with `resync`, which comes again whenever events were missed. */
  onEvent(event: EventData): void;
  /** whether the stream is open */
  onState(connected: boolean): void;
}

/**
 * Follows the events of all jobs; after a break it goes on where it stopped. Ends if a key is needed.
 *
 * @param wanted  while this is false there is no connection
 */
export async function follow(
  { onEvent, onState }: EventListener,
  wanted: ReadonlySignal<boolean>,
): Promise<void> {
  let lastId: string | null = null;
  let pause: number = PAUSES[0];
  for (;;) {
    await becomesTrue(wanted);
    const connection = new AbortController();
    const unsubscribe = wanted.subscribe((isWanted) => {
      if (!isWanted) connection.abort();
    });
    let timer = setTimeout(() => connection.abort(), SILENCE);
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== null) headers['last-event-id'] = lastId;
      const response = await fetch('v1/events', { headers, signal: connection.signal });
      if (response.status === 401) return;
      if (!response.ok) throw await problemOf(response);
      onState(true);
      pause = PAUSES[0];
      const parser = eventParser();
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        clearTimeout(timer);
        timer = setTimeout(() => connection.abort(), SILENCE);
        for (const { id, data } of parser.push(piece.value)) {
          lastId = id;
          onEvent(JSON.parse(data));
        }
      }
    } catch (cause) {
      const isBreak = cause instanceof TypeError || (cause as Error).name === 'AbortError';
      if (!isBreak && !(cause instanceof ApiError)) console.error(cause);
    } finally {
      clearTimeout(timer);
      unsubscribe();
      connection.abort();
      onState(false);
    }
    if (!wanted.value) continue;
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, PAUSES[1]);
  }
}

async function becomesTrue(condition: ReadonlySignal<boolean>): Promise<void> {
  let unsubscribe = () => {};
  await new Promise<void>((resolve) => {
    unsubscribe = condition.subscribe((isTrue) => isTrue && resolve());
  });
  unsubscribe();
}
