/** The order of the queue, and whether it is paused, as queue.json keeps them. */
import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface QueueState {
  paused: boolean;
  /** ids of jobs; those that are not queued any more do not count */
  order: string[];
}

const FILE = 'queue.json';

/** @param say  receives a sentence if the file is damaged: then jobs come in the order of their age */
export function readQueue(folder: string, say: (sentence: string) => void): QueueState {
  const path = join(folder, FILE);
  const none = { paused: false, order: [] };
  if (!existsSync(path)) return none;
  try {
    const { paused, order } = JSON.parse(readFileSync(path, 'utf8')) as QueueState;
    if (typeof paused === 'boolean' && Array.isArray(order)) return { paused, order };
    say(`${path}: holds no queue; jobs come in the order of their age`);
  } catch (error) {
    say(
      `${path}: cannot be read (${(error as Error).message}); jobs come in the order of their age`,
    );
  }
  return none;
}

export async function writeQueue(folder: string, state: QueueState): Promise<void> {
  const path = join(folder, FILE);
  await writeFile(`${path}.tmp`, `${JSON.stringify(state)}\n`);
  await rename(`${path}.tmp`, path);
}
