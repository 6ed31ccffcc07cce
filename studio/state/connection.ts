/**
 * The connection to the server. What the page knows is read when the stream of events begins, and again
 * whenever events were missed, so that it is true after a restart of the server, too.
 */
import { signal } from '@preact/signals';
import * as api from '../api/client.js';
import { follow } from '../api/follow.js';
import type { EventData } from '../api/types.js';
import { readJobs, takeJobEvent } from './jobs.js';
import { attempt, forgetBreaks, look } from './messages.js';
import { health, locked, readModels, readTasks } from './server.js';
import { readLoras, readTraining, takeFineTuning } from './training.js';

/** whether events arrive */
export const connected = signal(false);
/** whether the server was asked and did not answer, so that what is shown may be old */
export const lost = signal(false);

/** Wait before asking again, in ms. */
const PAUSE = 2000;

/**
 * Whether this tab follows the events. Browsers have six connections to a server, for all of its tabs
 * together, so those that are not seen leave theirs to the others; the one that was seen last keeps it.
 */
const isFollowing = signal(!document.hidden);
const tabs = new BroadcastChannel('mfm-studio');

function onSeen(): void {
  if (document.hidden) return;
  isFollowing.value = true;
  tabs.postMessage('seen');
}

/** Ends the wait before the server is asked again. */
let wake: () => void = () => {};

/** Connects, and connects again, for as long as the page is open. */
export async function start(): Promise<never> {
  tabs.addEventListener('message', () => {
    if (document.hidden) isFollowing.value = false;
  });
  document.addEventListener('visibilitychange', onSeen);
  onSeen();
  for (;;) {
    const now = await look(api.health);
    lost.value = now === null;
    if (now) {
      health.value = now;
      // ends if the server was started again and has forgotten who this is
      if (!locked.value) await follow({ onEvent: take, onState }, isFollowing);
    }
    await new Promise<void>((resolve) => {
      wake = resolve;
      setTimeout(resolve, PAUSE);
    });
  }
}

/** Gives the key that the server was started with. */
export async function unlock(apiKey: string): Promise<void> {
  await attempt(() => api.signIn(apiKey));
  wake();
}

function onState(open: boolean): void {
  connected.value = open;
  lost.value = !open;
  if (open) forgetBreaks();
}

function take(event: EventData): void {
  if (event.type === 'resync') void readAll();
  else if (event.type === 'fine_tuning') takeFineTuning(event.job);
  else takeJobEvent(event);
}

async function readAll(): Promise<void> {
  const read = look(() =>
    Promise.all([readTasks(), readModels(), readLoras(), readJobs(), readTraining()]).then(
      () => true,
    ),
  );
  if (!(await read)) setTimeout(() => void readAll(), PAUSE);
}
