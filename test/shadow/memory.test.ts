/** A device whose memory runs out amid work: a sentence that says what to do, and nothing is lost. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { JobError, open } from '../../src/index.js';
import { setThreads } from '../../src/tensor/index.js';
import { type RecipeInput, train } from '../../src/train/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { temporaryFolder } from '../temp-folder.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from '../train/tiny-parts.js';
import { counts, limitMemory, noShadow, SHADOW } from './shadow.js';

const root = temporaryFolder();

describe('a device without enough memory', { skip: noShadow }, () => {
  before(() => {
    setThreads(1);
    saveTinyPipeline(join(root, 'tiny'));
  });

  test('ends a result with what to try, and makes the next one', async () => {
    await using mfm = await open(join(root, 'tiny'), { device: SHADOW, dtype: 'float32' });
    const make = () => mfm.generate('t2v', { prompt: 'a cube', numFrames: 5, seed: 1 }).toFrames();
    const { data } = await make();
    limitMemory(counts().heldBytes + 1000);
    await assert.rejects(make, (error: Error) => {
      assert.ok(error instanceof JobError);
      assert.match(error.message, /^t2v: privateuseone:0 ran out of memory; try `size: \{ width/);
      return true;
    });
    limitMemory(0);
    assert.deepEqual((await make()).data, data);
  });

  test('ends training with a checkpoint to go on from', async () => {
    const recipe: RecipeInput = {
      name: 'tiny',
      dtype: 'float32',
      data: [{ miniworld: { clips: 4, images: 0 } }],
      validationSamples: 0,
      autoencoder: { steps: 1, ...TINY_AUTOENCODER, batches: [{ numFrames: 5, batchSize: 1 }] },
      textEncoder: TINY_TEXT_ENCODER,
      transformer: {
        ...TINY_TRANSFORMER,
        tokensPerBatch: 16,
        tasks: { t2v: 1 },
        imageShare: [0, 0],
        steps: 4,
      },
    };
    const run = join(root, 'run');
    const training = train(recipe, {
      run,
      device: SHADOW,
      workers: 1,
      onEvent: (event) => {
        if (event.type !== 'progress' || !event.label.startsWith('transformer')) return;
        if (event.done === 2) limitMemory(counts().heldBytes + 1000);
      },
    });
    await assert.rejects(
      async () => training,
      /^JobError: transformer: privateuseone:0 ran out of memory in step 3; turn gradCheckpointing on, or set tokensPerMicroBatch to 8, and go on from step 0 with `resume: true`$/,
    );
    limitMemory(0);
    assert.ok((await train(recipe, { run, device: SHADOW, workers: 1, resume: true })).finished);
  });
});
