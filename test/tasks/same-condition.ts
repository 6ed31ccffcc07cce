/** The property that every task has: what it is trained on is what a user's files give it. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { miniWorld } from '../../src/data/miniworld/index.js';
import { sceneSample } from '../../src/data/miniworld/sample.js';
import { RandomStream } from '../../src/data/random.js';
import type { Sample } from '../../src/data/sources/sample.js';
import { type Condition, conditionOf, type Task } from '../../src/tasks/index.js';
import { conditionOfFiles, writeGiven } from './given-files.js';

/** Long enough for a joint at both ends. */
const LENGTH = 17;

/** A scene as a task is trained on it. */
export function sampleFor({ result }: Pick<Task, 'result'>, seed: number): Sample {
  const size = { width: 32, height: 48, numFrames: result === 'image' ? 1 : LENGTH };
  const { scene, caption, ...rendered } = miniWorld(seed, size);
  return sceneSample(scene, { ...size, data: rendered.frames }, caption, rendered);
}

/**
 * Compares, number by number, the condition of a training sample with that of files on disk.
 * @returns the condition
 */
export async function expectSameFromFiles(task: Task, seed: number): Promise<Condition> {
  const sample = sampleFor(task, seed);
  const given = task.fromSample(sample, new RandomStream(seed, 'given'));
  const trained = conditionOf(given, sample.clip);
  const folder = mkdtempSync(join(tmpdir(), 'mfm-given-'));
  try {
    const files = await writeGiven(task, given, folder);
    const used = await conditionOfFiles(task, files, sample.clip);
    for (const part of ['pixels', 'depth', 'mask'] as const) {
      const [a, b] = [trained[part], used[part]];
      assert.deepEqual(b.shape, a.shape, part);
      const differ = a.sub(b).abs().amax().item();
      assert.equal(differ, 0, `${task.id}, seed ${seed}: ${part} differs by ${differ}`);
    }
    return trained;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
