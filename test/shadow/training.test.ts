/**
 * Whole training runs on a second device, which have the losses of the CPU's and go on on either; and
 * what their steps cost on a device that the program must not wait for.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { setThreads } from '../../src/tensor/index.js';
import { type RecipeInput, type TrainEvent, train } from '../../src/train/index.js';
import { temporaryFolder } from '../temp-folder.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from '../train/tiny-parts.js';
import { expectSameFigures } from './figures.js';
import { type Counts, counts, noShadow, SHADOW } from './shadow.js';

const recipe: RecipeInput = {
  name: 'tiny',
  dtype: 'float32',
  data: [{ miniworld: { clips: 4, images: 4 } }],
  validationSamples: 2,
  autoencoder: { steps: 3, ...TINY_AUTOENCODER, batches: [{ numFrames: 5, batchSize: 1 }] },
  textEncoder: TINY_TEXT_ENCODER,
  transformer: {
    ...TINY_TRANSFORMER,
    tokensPerBatch: 16,
    logEverySteps: 6,
    adapter: { steps: 2 },
    tasks: { t2i: 1, i2v: 1, vinp: 1 },
    imageShare: [0.5, 0.5],
    contrast: 0.05,
    stages: [
      { name: 'first', steps: 6 },
      { name: 'second', steps: 6, tokensPerMicroBatch: 4, gradCheckpointing: true },
    ],
    steps: 1,
  },
};

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

describe('training on a second device', { skip: noShadow }, () => {
  const root = temporaryFolder();
  const cpu = join(root, 'cpu');
  const there = join(root, 'there');
  /** counts after each step of the transformer */
  const after: Counts[] = [];
  before(async () => {
    setThreads(1);
    assert.ok((await train(recipe, { run: cpu, device: 'cpu', workers: 1 })).finished);
    const onEvent = (event: TrainEvent) => {
      if (event.type !== 'progress' || !event.label.startsWith('transformer')) return;
      after.push(counts());
    };
    const training = train(recipe, { run: there, device: SHADOW, workers: 1, onEvent });
    assert.ok((await training).finished);
  });

  test('has the losses, validation and sheets of the CPU', () => expectSameFigures(there, cpu));

  test('waits at most twice in a step, and copies as much in all of them', () => {
    const each = after.slice(1).map((now, i) => ({
      waits: now.waits - after[i]!.waits,
      uploads: now.uploads - after[i]!.uploads,
      held: now.heldBytes,
    }));
    // after the last step of a stage figures are read, and it is validated, shown and saved
    const [whole, inParts] = [each.slice(0, 5), each.slice(6)];
    assert.equal(inParts.length, 5);
    for (const [steps, most] of [
      [whole, 16],
      [inParts, 64],
    ] as const) {
      for (const { waits, uploads } of steps) {
        assert.ok(waits <= 2 && uploads <= most, JSON.stringify(each));
      }
      const [first, ...others] = steps.map(({ held }) => held);
      // beside the networks, the next batch is held, which has images or clips
      for (const one of others) assert.ok(one <= 1.05 * first!, JSON.stringify(each));
    }
  });

  test('leaves no memory behind', async () => {
    // handles that no scope owns are the garbage collector's
    for (let i = 0; i < 3; i++) {
      collectGarbage();
      await setImmediate();
    }
    assert.equal(counts().heldBytes, 0);
  });

  test('goes on on the other device, and back, and says so', async () => {
    const run = join(root, 'moved');
    const notes: string[] = [];
    const upTo = async (device: string, step: number) => {
      const training = train(recipe, {
        run,
        device,
        workers: 1,
        resume: true,
        onEvent: (event) => {
          if (event.type === 'note') notes.push(event.text);
        },
      });
      for await (const event of training) {
        if (event.type !== 'progress' || !event.label.startsWith('transformer')) continue;
        if (event.done === step) break;
      }
      return training;
    };
    await upTo('cpu', 3);
    await upTo(SHADOW, 8);
    assert.ok((await upTo('cpu', Infinity)).finished);
    expectSameFigures(run, cpu);
    const moved = notes.filter((note) => note.includes('goes on on'));
    assert.deepEqual(
      moved.map((note) => note.replace(/\d+ steps/, 'N steps')),
      [
        'adapter: goes on on privateuseone:0, after N steps on cpu',
        'transformer: goes on on privateuseone:0, after N steps on cpu',
        'transformer: goes on on cpu, after N steps on privateuseone',
      ],
    );
  });
});
