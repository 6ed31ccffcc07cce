import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Parallel } from '../../../src/distributed/parallel.js';
import { ones, type Tensor, tensor } from '../../../src/tensor/index.js';
import { type LoopOptions, trainLoop } from '../../../src/train/loop/loop.js';
import { Optimisation, Recipe } from '../../../src/train/recipe/config.js';
import { Run } from '../../../src/train/run/run.js';
import { world } from '../world.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-loop-'));
after(() => rmSync(root, { recursive: true, force: true }));

const recipe = Recipe.parse({ name: 'toy', transformer: { steps: 1 } });
const plan = (changes: Partial<Optimisation>) =>
  Optimisation.parse({
    steps: 12,
    warmupSteps: 0,
    weightDecay: 0,
    emaDecay: 0.5,
    logEverySteps: 1,
    learningRate: 0.1,
    finalLearningRate: 1,
    ...changes,
  });

interface Toy {
  folder: string;
  stages?: Optimisation[];
  /** number of each stage's first batch */
  first?: number[];
  /** the loss of a batch is multiplied with this */
  scale?: (batch: number) => number;
  signal?: AbortSignal;
  onStep?: (step: number) => unknown;
  /** what held-out samples come to; told the weights that it is measured with */
  validate?: (weights: number[]) => unknown;
  validatesFirst?: boolean;
  resume?: boolean;
  onOpen?: () => void;
  /** what a process has said that is not heard */
  held?: string[];
  parallel?: Parallel;
}

interface Outcome {
  finished: boolean;
  /** batches in the order they were trained on */
  batches: number[];
  said: string[];
  weights: number[];
}

/** Three numbers that learn to be those of the batch. */
async function trainToy(toy: Toy): Promise<Outcome> {
  const weights: Tensor = ones([3]).requiresGrad_();
  const run = Run.open(join(root, toy.folder), recipe, {
    resume: toy.resume,
    parallel: toy.parallel,
  });
  const batches: number[] = [];
  const said: string[] = [];
  const options: LoopOptions<number> = {
    part: 'toy',
    run,
    stages: toy.stages ?? [plan({})],
    seed: 0,
    parameters: new Map([['w', weights]]),
    async open(stage, position) {
      toy.onOpen?.();
      let next = (position as number | null) ?? toy.first?.[stage] ?? 0;
      return {
        next: async () => ({ batch: next++, position: next }),
        close: async () => {},
      };
    },
    train(batch, { step, backward }) {
      batches.push(batch);
      const wanted = tensor([Math.sin(batch), Math.cos(batch), batch % 3]);
      const loss = weights.sub(wanted).square().mean();
      backward(loss.mul(toy.scale?.(batch) ?? 1), true);
      toy.onStep?.(step);
      return { samples: 1, figures: { loss: { sum: loss.item(), count: 1 } } };
    },
    validate: toy.validate
      ? async () => {
          toy.validate!([...weights.toFloat32Array()]);
          return { seen: { sum: 1, count: 1 } };
        }
      : undefined,
    validatesFirst: toy.validatesFirst,
    dump: (batch, path, why) => writeFileSync(`${path}.json`, JSON.stringify({ batch, ...why })),
    report: {
      start: () => {},
      update: () => {},
      log: (text) => said.push(text),
      end: () => {},
      take: () => toy.held?.splice(0) ?? [],
    },
    signal: toy.signal ?? new AbortController().signal,
  };
  const finished = await trainLoop(options);
  return { finished, batches, said, weights: [...weights.toFloat32Array()] };
}

const linesOf = (folder: string) =>
  readFileSync(join(root, folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);

describe('trainLoop', () => {
  test('goes on after a stop as if there had been none, bit for bit', async () => {
    const whole = await trainToy({ folder: 'whole' });
    const controller = new AbortController();
    const first = await trainToy({
      folder: 'stopped',
      signal: controller.signal,
      onStep: (step) => step === 4 && controller.abort(),
    });
    assert.deepEqual([first.finished, first.batches.length], [false, 5]);
    const second = await trainToy({ folder: 'stopped', resume: true });
    assert.deepEqual([...first.batches, ...second.batches], whole.batches);
    assert.deepEqual(second.weights, whole.weights);
    const losses = (folder: string) => linesOf(folder).map(({ step, loss }) => [step, loss]);
    assert.deepEqual(losses('stopped'), losses('whole'));
  });

  test('measures the averages, and trains on as if it had not', async () => {
    const stages = [plan({ validateEverySteps: 4, emaDecay: 0.9 })];
    const plain = await trainToy({ folder: 'unmeasured', stages });
    const seen: number[][] = [];
    const measured = await trainToy({
      folder: 'measured',
      stages,
      validate: (weights) => seen.push(weights),
    });
    assert.deepEqual(measured.weights, plain.weights);
    const losses = (folder: string) => linesOf(folder).flatMap(({ loss }) => loss ?? []);
    assert.deepEqual(losses('measured'), losses('unmeasured'));
    // after steps 4 and 8, and at the end, where the averages are what is kept
    assert.equal(seen.length, 3);
    assert.deepEqual(seen[2], plain.weights);
    assert.deepEqual(
      linesOf('measured').flatMap(({ step, seen }) => (seen ? [step] : [])),
      [4, 8, 12],
    );
  });

  test('measures what it begins with where it is told to, and trains the same', async () => {
    const stages = [plan({ validateEverySteps: 8 })];
    const plain = await trainToy({ folder: 'from scratch', stages });
    const seen: number[][] = [];
    const toy = {
      folder: 'from weights',
      stages,
      validatesFirst: true,
      validate: (weights: number[]) => seen.push(weights),
    };
    const tuned = await trainToy(toy);
    assert.deepEqual(tuned.weights, plain.weights);
    assert.deepEqual(seen[0], [1, 1, 1]);
    const stepsOf = (folder: string) =>
      linesOf(folder).flatMap(({ step, seen }) => (seen ? [step] : []));
    assert.deepEqual(stepsOf(toy.folder), [0, 8, 12]);
    // an end amid that measurement: it is made up for, and nothing differs
    const killed = { ...toy, folder: 'killed at first', validate: () => assert.fail('killed') };
    await assert.rejects(trainToy(killed));
    const goesOn = { ...toy, folder: killed.folder, resume: true };
    assert.deepEqual((await trainToy(goesOn)).weights, plain.weights);
    assert.deepEqual(stepsOf(killed.folder), [0, 8, 12]);
    const losses = (folder: string) => linesOf(folder).flatMap(({ loss }) => loss ?? []);
    assert.deepEqual(losses(killed.folder), losses('from scratch'));
  });

  test('leaves out a step whose gradient is no number, and says which batch it was', async () => {
    const scale = (batch: number) => (batch === 3 ? Number.NaN : 1);
    const { finished, batches, said } = await trainToy({ folder: 'nan', scale });
    assert.ok(finished);
    assert.equal(batches.length, 12);
    assert.match(said.join('\n'), /toy 4: skipped, its gradient norm is NaN/);
    const dumped = readdirSync(join(root, 'nan/bad-batches'));
    assert.deepEqual(dumped, ['toy-00000004.json']);
    assert.equal(
      JSON.parse(readFileSync(join(root, 'nan/bad-batches', dumped[0]!), 'utf8')).batch,
      3,
    );
    assert.equal(linesOf('nan')[3]!.skipped, 1);
  });

  test('leaves out a gradient that explodes, once it knows what is usual', async () => {
    const scale = (batch: number) => (batch === 30 || batch === 2 ? 1e4 : 1);
    const { said } = await trainToy({ folder: 'explodes', stages: [plan({ steps: 40 })], scale });
    assert.deepEqual(said.filter((line) => line.includes('skipped')).length, 1);
    assert.match(said.join('\n'), /toy 31: skipped/);
  });

  test('goes back after bad steps in a row, learns slower, and goes on with new batches', async () => {
    const scale = (batch: number) => (batch >= 5 && batch < 8 ? Number.NaN : 1);
    const stages = [plan({ rollBackAfter: 3, checkpointEverySeconds: 1e-9 })];
    const { finished, batches, said } = await trainToy({ folder: 'back', stages, scale });
    assert.ok(finished);
    // step 5 is the last good one: steps 6 to 12 are taken from batch 8 on
    assert.deepEqual(batches, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    assert.match(
      said.join('\n'),
      /3 bad steps in a row; back to step 5 with 0\.5 of the learning rate/,
    );
    const rates = linesOf('back').map(({ learningRate }) => learningRate);
    assert.ok(Math.abs(rates.at(-1)! - 0.05) < 1e-12, String(rates));
  });

  test('goes back beyond a checkpoint of weights from which every step is bad', async () => {
    // step 2 spoils the weights: they are finite, and kept before that shows
    const spoilt = (batch: number) => (batch >= 2 && batch < 12 ? Number.NaN : 1);
    const stages = [plan({ steps: 8, checkpointEverySeconds: 1e-9, keepCheckpoints: 9 })];
    const { finished, said } = await trainToy({ folder: 'doubtful', stages, scale: spoilt });
    assert.ok(finished, said.join('; '));
    const back = said.filter((text) => text.includes('back to step'));
    assert.deepEqual(
      back.map((text) => /back to step (\d+)/.exec(text)?.[1]),
      ['2', '1'],
    );
  });

  test('keeps no weights that are no numbers, and goes on from those before', async () => {
    const stages = [plan({ steps: 6, checkpointEverySeconds: 1e-9, rollBackLearningRate: 1e-30 })];
    // more than a recipe may say
    const first = { ...stages[0]!, learningRate: 1e30, clipGradNorm: 1e30 };
    const { finished, said, weights } = await trainToy({ folder: 'absurd', stages: [first] });
    assert.ok(finished, said.join('; '));
    assert.match(said.join('; '), /toy: non-finite weights; back to step 0/);
    assert.ok(weights.every(Number.isFinite), String(weights));
  });

  test('ends at once where not even the first checkpoint can be written', async () => {
    const folder = join(root, 'nowhere');
    await assert.rejects(
      trainToy({
        folder: 'nowhere',
        onOpen: () => {
          rmSync(join(folder, 'checkpoints'), { recursive: true });
          writeFileSync(join(folder, 'checkpoints'), 'no folder');
        },
      }),
      { name: 'JobError', message: /nowhere: toy cannot write its first checkpoint/ },
    );
  });

  test('refuses a checkpoint of other weights, naming one', async () => {
    await trainToy({ folder: 'others', stages: [plan({ steps: 2 })] });
    const run = Run.open(join(root, 'others'), recipe, { resume: true });
    const parameters = new Map(['w', 'v'].map((name) => [name, ones([3]).requiresGrad_()]));
    const report = { start: () => {}, update: () => {}, log: () => {}, end: () => {} };
    const { signal } = new AbortController();
    const toy = { part: 'toy', run, stages: [plan({})], seed: 0, parameters, report, signal };
    const train = () => assert.fail('trains on');
    await assert.rejects(trainLoop<number>({ ...toy, open: () => assert.fail('opens'), train }), {
      name: 'InputError',
      message:
        /toy-00000002: has no v, which the recipe trains; .* start another with `run: FOLDER`/,
    });
  });

  test('gives up with a sentence where going back does not help', async () => {
    // checkpoints that are due all the time are no progress
    const stages = [plan({ steps: 100, rollBackAfter: 2, checkpointEverySeconds: 1e-9 })];
    await assert.rejects(trainToy({ folder: 'hopeless', stages, scale: () => Number.NaN }), {
      name: 'JobError',
      message:
        /gradients stay bad after 5 rollbacks; look at .*bad-batches, lower toy\.learningRate/,
    });
  });

  test('goes on after it has given up as if nothing had been, once its data are good again', async () => {
    const stages = [plan({ rollBackAfter: 2, checkpointEverySeconds: 1e-9, keepCheckpoints: 9 })];
    const whole = await trainToy({ folder: 'never-bad', stages });
    const scale = (batch: number) => (batch >= 4 ? Number.NaN : 1);
    await assert.rejects(trainToy({ folder: 'given-up', stages, scale }));
    const { weights } = await trainToy({ folder: 'given-up', stages, resume: true });
    assert.deepEqual(weights, whole.weights);
    const lines = (folder: string) =>
      [...new Map(linesOf(folder).map((line) => [line.step!, line])).values()]
        .map(({ step, loss, skipped }) => [step, loss, skipped])
        .sort(([a], [b]) => a! - b!);
    assert.deepEqual(lines('given-up'), lines('never-bad'));
  });

  test('trains stage after stage, each by its own plan', async () => {
    const stages = [plan({ steps: 3, learningRate: 0.1 }), plan({ steps: 2, learningRate: 0.2 })];
    const { batches } = await trainToy({ folder: 'stages', stages });
    assert.deepEqual(batches, [0, 1, 2, 0, 1]);
    assert.deepEqual(
      linesOf('stages').map(({ step, learningRate }) => [step, learningRate]),
      [
        [1, 0.1],
        [2, 0.1],
        [3, 0.1],
        [4, 0.2],
        [5, 0.2],
      ],
    );
  });

  test('goes back to the end of the stage before, and on with its own', async () => {
    const bad = (batch: number) => batch >= 100 && batch < 102;
    const stages = [plan({ steps: 3, rollBackAfter: 2 }), plan({ steps: 5, rollBackAfter: 2 })];
    const { batches, said } = await trainToy({
      folder: 'back-a-stage',
      stages,
      first: [0, 100],
      scale: (batch) => (bad(batch) ? Number.NaN : 1),
    });
    assert.match(said.join('\n'), /back to step 3 with/);
    assert.deepEqual(batches, [0, 1, 2, 100, 101, 102, 103, 104, 105, 106]);
  });

  test('measures at the end, if the last step was a checkpoint or a stop, too', async () => {
    const counts = { validations: 0 };
    const validate = () => counts.validations++;
    const stages = [plan({ steps: 4, milestoneEverySteps: 2 })];
    await trainToy({ folder: 'end', stages, validate });
    assert.equal(counts.validations, 1);
    const controller = new AbortController();
    const { signal } = controller;
    const onStep = (step: number) => step === 3 && controller.abort();
    const first = await trainToy({ folder: 'end-stop', stages, validate, signal, onStep });
    assert.deepEqual([first.finished, first.batches.length, counts.validations], [false, 4, 1]);
    for (const resume of [true, true]) {
      const { batches } = await trainToy({ folder: 'end-stop', stages, validate, resume });
      assert.deepEqual([batches.length, counts.validations], [0, 2]);
    }
  });

  test('a line of metrics that a stop came amid is that of the uninterrupted run', async () => {
    const stages = [plan({ logEverySteps: 5 })];
    await trainToy({ folder: 'lines', stages });
    const controller = new AbortController();
    await trainToy({
      folder: 'lines-stopped',
      stages,
      signal: controller.signal,
      onStep: (step) => step === 6 && controller.abort(),
    });
    await trainToy({ folder: 'lines-stopped', stages, resume: true });
    const figures = (folder: string) =>
      linesOf(folder)
        .filter(({ step }) => step! % 5 === 0)
        .map(({ step, loss, gradNorm, learningRate }) => [step, loss, gradNorm, learningRate]);
    assert.deepEqual(figures('lines-stopped'), figures('lines'));
  });

  test('writes down the learning rate that a step was made with', async () => {
    await trainToy({ folder: 'rates', stages: [plan({ warmupSteps: 4, finalLearningRate: 0 })] });
    const rates = linesOf('rates').map(({ learningRate }) => learningRate!);
    assert.ok(Math.abs(rates[0]! - 0.025) < 1e-9, String(rates)); // a quarter of the warm-up
    assert.ok(rates.at(-1)! > 0, String(rates));
  });

  test('measures what a kill or a stop came before', async () => {
    const stages = [plan({ steps: 8, validateEverySteps: 4, checkpointEverySeconds: 1e-9 })];
    const seen: number[][] = [];
    const killed = trainToy({
      folder: 'unseen',
      stages,
      validate: () => {
        throw new Error('killed');
      },
    });
    await assert.rejects(killed, { message: 'killed' });
    const controller = new AbortController();
    const stopped = await trainToy({
      folder: 'unseen',
      stages,
      resume: true,
      signal: controller.signal,
      validate: () => {
        controller.abort();
        throw controller.signal.reason;
      },
    });
    assert.equal(stopped.finished, false);
    const whole = await trainToy({
      folder: 'seen',
      stages,
      validate: (weights) => seen.push(weights),
    });
    const went = await trainToy({
      folder: 'unseen',
      stages,
      resume: true,
      validate: (weights) => seen.push(weights),
    });
    assert.deepEqual(went.weights, whole.weights);
    assert.deepEqual(seen.slice(2), seen.slice(0, 2)); // after step 4, and at the end
    // what is finished is not measured again
    await trainToy({
      folder: 'unseen',
      stages,
      resume: true,
      validate: (weights) => seen.push(weights),
    });
    assert.equal(seen.length, 4);
  });

  test('lets go of the checkpoint that it goes on from', async (context) => {
    if (!existsSync('/proc/self/maps')) return context.skip('there is no /proc');
    const stages = [plan({ steps: 6, checkpointEverySeconds: 1e-9, keepCheckpoints: 1 })];
    const controller = new AbortController();
    await trainToy({
      folder: 'mapped',
      stages,
      signal: controller.signal,
      onStep: (step) => step === 2 && controller.abort(),
    });
    let maps = '';
    await trainToy({
      folder: 'mapped',
      stages,
      resume: true,
      onStep: () => {
        maps = readFileSync('/proc/self/maps', 'utf8');
      },
    });
    assert.ok(!maps.includes(join(root, 'mapped')), 'no file of its checkpoints is mapped');
  });

  test('the first process says once what another one has held back', async () => {
    const outcomes = await Promise.all(
      world(2).map((parallel) =>
        trainToy({
          folder: 'held',
          parallel,
          stages: [plan({ steps: 3, logEverySteps: 1 })],
          held: parallel.rank === 1 ? ['7.png is gone'] : [],
        }),
      ),
    );
    assert.deepEqual(
      outcomes.map(({ said }) => said),
      [['rank 1: 7.png is gone'], []],
    );
  });

  test('fails in all processes, with its cause, when one cannot measure', async () => {
    const outcomes = await Promise.allSettled(
      world(2).map((parallel) =>
        trainToy({
          folder: 'one-fails',
          stages: [plan({ validateEverySteps: 2 })],
          parallel,
          validate: () => {
            if (parallel.rank === 1) throw new Error('clip 7 cannot be read');
          },
        }),
      ),
    );
    assert.deepEqual(
      outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason.message),
      ['rank 1: clip 7 cannot be read', 'clip 7 cannot be read'],
    );
  });

  test('takes the checkpoint before a damaged one, and keeps milestones', async () => {
    const stages = [plan({ steps: 6, checkpointEverySeconds: 1e-9, milestoneEverySteps: 2 })];
    await trainToy({ folder: 'damaged', stages });
    const folder = join(root, 'damaged/checkpoints');
    const steps = () => readdirSync(folder).map((name) => Number(name.slice(-8)));
    assert.deepEqual(steps(), [2, 4, 5, 6]);
    const file = join(folder, 'toy-00000006/optimizer.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 2]! ^= 1;
    writeFileSync(file, bytes);
    const { batches, said } = await trainToy({ folder: 'damaged', stages, resume: true });
    assert.deepEqual(batches, [5]);
    assert.match(said.join('\n'), /toy-00000006: optimizer.safetensors is damaged; the one before/);
  });

  test('goes on without checkpoints that cannot be written, but does not end without one', async () => {
    const onStep = (step: number) => {
      if (step !== 2) return;
      rmSync(join(root, 'blocked/checkpoints'), { recursive: true });
      writeFileSync(join(root, 'blocked/checkpoints'), 'no folder');
    };
    const stages = [plan({ steps: 6, checkpointEverySeconds: 1e-9 })];
    await assert.rejects(trainToy({ folder: 'blocked', stages, onStep }), {
      name: 'JobError',
      message: /blocked: toy has ended without a checkpoint/,
    });
    assert.equal(linesOf('blocked').length, 6);
    assert.ok(
      !existsSync(join(root, 'blocked/checkpoints/toy-00000006.tmp')),
      'nothing half-written',
    );
  });
});
