/** The order of trainings, with a disk that does what a test says; nothing is trained. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Events } from '../../../src/server/jobs/events.js';
import { Shelf } from '../../../src/server/store/shelf.js';
import { inFilesWords } from '../../../src/server/training/data.js';
import {
  type TrainingLive,
  type TrainingRecord,
  trainingView,
} from '../../../src/server/training/job.js';
import { Training, type TrainingParts } from '../../../src/server/training/training.js';
import { temporaryFolder } from '../../temp-folder.js';
import { until } from '../../until.js';

/** A disk that writes the beginning of a job when a test lets it. */
class HeldShelf extends Shelf<TrainingRecord> {
  readonly begun: string[] = [];
  open = () => {};
  private readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });

  override async change(record: TrainingRecord, changes: Partial<TrainingRecord>): Promise<void> {
    if (changes.status === 'running') {
      this.begun.push(record.id);
      await this.opened;
    }
    await super.change(record, changes);
  }
}

const idOf = (n: number) => `ftjob_${String(n).padStart(24, '0')}`;

async function place(count: number) {
  const folder = temporaryFolder();
  const shelf = new HeldShelf(join(folder, 'jobs'), 'job.json', () => {});
  for (let n = 1; n <= count; n++) {
    const job = { id: idOf(n), createdMs: n, status: 'queued', run: `run-${n}`, asked: {} };
    await shelf.write(job as TrainingRecord);
  }
  const parts = { shelf, events: new Events(), runs: join(folder, 'runs'), say: () => {} };
  return { folder, shelf, training: new Training(parts as unknown as TrainingParts) };
}

describe('a training that begins', () => {
  test('is begun once, whatever happens meanwhile', async () => {
    const { shelf, training } = await place(2);
    await training.start();
    await training.start();
    await until(() => shelf.begun.length > 0);
    assert.equal((await training.cancel(idOf(2))).status, 'cancelled');
    assert.deepEqual(shelf.begun, [idOf(1)]);
    const cancelled = training.cancel(idOf(1));
    shelf.open();
    await cancelled;
    await training.close();
    assert.deepEqual(shelf.begun, [idOf(1)]);
  });

  test('is cancelled for good, though somebody pauses it too, and nothing is trained', async () => {
    const { folder, shelf, training } = await place(1);
    await training.start();
    const cancelled = training.cancel(idOf(1));
    const paused = assert.rejects(training.pause(idOf(1)), {
      status: 409,
      message: /is cancelled, so it cannot be paused/,
    });
    shelf.open();
    assert.equal((await cancelled).status, 'cancelled');
    await paused;
    await training.close();
    const stored = readFileSync(join(folder, 'jobs', idOf(1), 'job.json'), 'utf8');
    assert.equal(JSON.parse(stored).status, 'cancelled');
  });
});

test('a training that only has to validate says so, and does not count that as no time', () => {
  const job = { status: 'running', asked: {} } as TrainingRecord;
  const seen = (step: number, doing: string | null = null, of = job) => {
    const begin = { beginStep: 0, beginMs: Date.now() - 60_000, notes: [] };
    const live: TrainingLive = { part: 'transformer', step, steps: 10, doing, ...begin };
    const { progress, eta_seconds: eta, doing: told } = trainingView(of, live);
    return [progress, eta, told];
  };
  assert.deepEqual(seen(5), [50, 60, null]);
  assert.deepEqual(seen(0, 'encoding latents'), [0, null, 'encoding latents']);
  assert.deepEqual(seen(10, 'validating'), [99, null, 'validating']);
  assert.deepEqual(seen(10, 'validating', { ...job, status: 'paused' }), [99, null, null]);
});

test('sentences about files of a training say what they are of the request', () => {
  const folder = '/srv/fine-tuning/ftjob_1';
  const asked = { training_files: [] };
  const told = (sentence: string) => inFilesWords(sentence, { asked, folder });
  for (const [sentence, words] of [
    [`none of ${folder}/data qualifies`, 'none of your files qualifies'],
    [`${folder}/data/00003.png: is empty`, 'training_files.3: is empty'],
    [`${folder}/data/00003-mask.png: is empty`, 'mask of line 4 of your manifest: is empty'],
    [`reading ${folder}/data/manifest.jsonl`, 'reading your manifest'],
    ['all is well', 'all is well'],
  ] as const) {
    assert.equal(told(sentence), words);
  }
  const named = { asked: { training_folder: 'dogs' }, folder, manifest: '/data/dogs' };
  assert.equal(inFilesWords('/data/dogs/a.png: is empty', named), 'dogs/a.png: is empty');
});
