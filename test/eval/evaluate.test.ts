import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { baselineClips, layOut, repeatFirstFrame } from '../../src/eval/baselines.js';
import { evaluateTask, type TaskReport } from '../../src/eval/evaluate.js';
import { FIGURES } from '../../src/eval/figures.js';
import { headlineOf } from '../../src/eval/headline.js';
import { CASES, MIXTURES, REDUCTIONS, trainedTask } from '../../src/eval/mixtures.js';
import { BEST_PSNR } from '../../src/eval/quality.js';
import { heldOutTrial } from '../../src/eval/scenes.js';
import type { Maker, Trial, Trials } from '../../src/eval/trials.js';
import { type Frames, framesToTensor } from '../../src/media/index.js';
import { given, TASKS, type Task } from '../../src/tasks/index.js';
import { memoryInfo, tidy } from '../../src/tensor/index.js';

const ALL: Task[] = [...Object.values<Task>(TASKS), ...CASES];

/** Scenes small enough for all tasks, long enough for clips given by eight frames. */
function scenes(task: Task, count = 3): Trials {
  const target = { width: 32, height: 32, numFrames: task.result === 'image' ? 1 : 17 };
  return { count, at: async (i) => heldOutTrial(task, i, target) };
}

const maker = (of: (trial: Trial) => Frames): Maker => ({
  make: async (_task, trials) => trials.map(of),
});

async function evaluated(
  task: Task,
  of: (trial: Trial) => Frames,
  trials: Trials = scenes(task),
): Promise<TaskReport> {
  return (await evaluateTask(maker(of), task, trials, { batchSize: 2 })).report;
}

describe('headlineOf', () => {
  test('goes by what a task is given', async () => {
    const chosen = new Map<string, string[]>();
    for (const task of ALL) {
      for (const i of [0, 1, 2]) {
        const trial = await scenes(task).at(i);
        const subject = { task, trial, laid: layOut(trial.given, trial.truth) };
        const { figure } = headlineOf(subject);
        chosen.set(figure, [...new Set([...(chosen.get(figure) ?? []), task.id])]);
      }
    }
    assert.deepEqual(Object.fromEntries(chosen), {
      attributes: ['t2i', 't2v'],
      unknownPsnr: [
        'i2v',
        'vexd',
        'itrans',
        'vtrans',
        'iinp',
        'vinp',
        'ioutp',
        'voutp',
        'any',
        'any:hole+key',
      ],
      psnr: [
        ...['isr', 'vsr', 'iedit', 'vedit', 'd2v', 'mtrans', 'any:keys+depth'],
        ...REDUCTIONS.map(({ id }) => id),
      ],
      chromaPsnr: ['icolor', 'vcolor'],
    });
  });
});

describe('the mixtures that are measured', () => {
  test('have fills between frames to beat', async () => {
    for (const task of MIXTURES) {
      const { given, truth } = await scenes(task).at(0);
      const names = [...baselineClips(layOut(given, truth)).keys()];
      assert.ok(names.includes('nearest frame') && names.includes('cross-fade'), task.id);
    }
  });

  test('are three key frames with depth between, and a hole that the first frame shows whole', async () => {
    const [keys, hole] = MIXTURES as [Task, Task];
    const first = (await scenes(keys).at(0)).given;
    assert.deepEqual(
      first.known.map(({ at }) => at),
      [[0, 8, 16]],
    );
    assert.equal(first.geometry[0]!.at.length, 17);
    const second = (await scenes(hole).at(0)).given;
    assert.deepEqual(
      second.known.map(({ at, hole }) => [at.length, hole !== null]),
      [
        [1, false],
        [16, true],
      ],
    );
    assert.deepEqual(second.geometry, []);
  });
});

describe('the reductions that are measured', () => {
  test('are clean copies of one size, of which the enlarged input is the baseline', async () => {
    const sizes = REDUCTIONS.map(({ id }) => id);
    assert.deepEqual(sizes, ['isr:2x', 'isr:3x', 'isr:4x', 'vsr:2x', 'vsr:3x', 'vsr:4x']);
    for (const [i, task] of REDUCTIONS.entries()) {
      const { given, truth } = await scenes(task).at(1);
      assert.equal(given.known[0]!.frames.width, Math.round(32 / [2, 3, 4][i % 3]!));
      assert.deepEqual([...baselineClips(layOut(given, truth)).keys()], ['bicubic']);
      assert.equal(trainedTask(task), i < 3 ? TASKS.isr : TASKS.vsr);
    }
  });
});

describe('evaluateTask', () => {
  test('finds the true clips perfect, in every task', async () => {
    for (const task of ALL) {
      const trials = scenes(task);
      const { headline, figures } = await evaluated(task, ({ truth }) => truth, trials);
      assert.equal(headline!.beats, true, task.id);
      assert.equal(headline!.made, headline!.truth);
      for (const { figure, values } of figures) {
        assert.deepEqual(values.made, values.truth, `${task.id} ${figure}`);
        if (figure.toLowerCase().endsWith('psnr')) assert.equal(values.made!.value, BEST_PSNR);
        if (figure === 'ssim') assert.ok(Math.abs(values.made!.value - 1) < 1e-9);
        if (figure === 'knownError') assert.equal(values.made!.value, 0);
      }
    }
  });

  test('gives a baseline that is made the figures of that baseline, and no win', async () => {
    for (const id of ['isr', 'vcolor', 'vinp', 'i2v', 'vtrans', 'iedit', 'd2v'] as const) {
      const task: Task = TASKS[id];
      const made = ({ given, truth }: Trial) => [...baselineClips(layOut(given, truth))].at(-1)![1];
      const names: string[] = [];
      for (const i of [0, 1, 2]) {
        const { given, truth } = await scenes(task).at(i);
        names.push([...baselineClips(layOut(given, truth)).keys()].at(-1)!);
      }
      const { headline, figures, each } = await evaluated(task, made);
      assert.equal(headline!.beats, false, id);
      each.forEach(({ values }, i) => {
        assert.equal(values.made, values[names[i]!], `${id} ${names[i]}`);
      });
      if (new Set(names).size > 1) continue;
      for (const { figure, values } of figures) {
        assert.deepEqual(values.made, values[names[0]!], `${id} ${figure}`);
      }
    }
  });

  test('takes pictures of other captions for chance, and asks no truth of a prompt alone', async () => {
    const { headline, figures } = await evaluated(TASKS.t2v, ({ truth }) => truth);
    assert.equal(headline!.baseline!.name, 'another caption');
    assert.ok(headline!.baseline!.value < headline!.made);
    const measured = figures.map(({ figure }) => figure);
    for (const absent of ['psnr', 'ssim', 'seam']) assert.ok(!measured.includes(absent as never));
    const alone = await evaluated(TASKS.t2v, ({ truth }) => truth, scenes(TASKS.t2v, 1));
    assert.equal(alone.headline!.beats, null);
    const unnamed: Trials = {
      count: 2,
      at: async (i) => ({ ...(await scenes(TASKS.t2v).at(i)), scene: null }),
    };
    assert.equal((await evaluated(TASKS.t2v, ({ truth }) => truth, unnamed)).headline, null);
  });

  test('measures whether a result has the depth that was given, if there is a depth model', async () => {
    // a depth model that takes bright things for near ones
    const estimateDepth = (frames: Frames) =>
      tidy(() => framesToTensor(frames).select(1, 0).squeeze(0));
    const figuresOf = async (task: Task, of: (trial: Trial) => Frames) => {
      const options = { batchSize: 2, estimateDepth };
      const { report } = await evaluateTask(maker(of), task, scenes(task), options);
      return ['depthCorrelation', 'depthBeyondRows'].map(
        (id) => report.figures.find(({ figure }) => figure === id)?.values.made?.value,
      );
    };
    const painted =
      (sign: number) =>
      ({ given, truth }: Trial): Frames => {
        const near = given.geometry[0]!.depth!.data; // 0..10
        const gray = (i: number) => 128 + sign * (12 * near[Math.floor(i / 3)]! - 60);
        return { ...truth, data: Uint8Array.from(truth.data, (_, i) => gray(i)) };
      };
    for (const task of [TASKS.d2v, TASKS.mtrans]) {
      // bytes hold 120 shades of depth, so some ranks are shared
      for (const sign of [1, -1]) {
        for (const value of await figuresOf(task, painted(sign))) {
          assert.ok(sign * value! > 0.98, `${task.id}: ${value}`);
        }
      }
    }
    // what is nearer in each row is nothing but its row
    const rows = await figuresOf(TASKS.d2v, ({ truth }) => ({
      ...truth,
      data: truth.data.map((_, i) => Math.floor(i / 3 / truth.width) % truth.height),
    }));
    assert.ok(rows[0]! > 0.7, `${rows[0]}`);
    assert.equal(rows[1], undefined);
    assert.deepEqual(await figuresOf(TASKS.vinp, ({ truth }) => truth), [undefined, undefined]);
    const { figures } = await evaluated(TASKS.d2v, ({ truth }) => truth);
    assert.ok(figures.every(({ figure }) => !figure.startsWith('depth')));
  });

  test('compares with a baseline in the trials that it applies to', async () => {
    // a known frame in every second trial: middle gray and nearest frame have half of them each
    const base = scenes(TASKS.d2v, 4);
    const trials: Trials = {
      count: 4,
      at: async (i) => {
        const trial = await base.at(i);
        const look = { frames: firstOf(trial.truth), at: [0], hole: null };
        return { ...trial, given: { ...trial.given, known: i % 2 ? [look] : [] } };
      },
    };
    const flat = ({ truth }: Trial) => ({ ...truth, data: truth.data.map(() => 100) });
    const { headline, each } = await evaluated(TASKS.d2v, flat, trials);
    const { name, count, value, made } = headline!.baseline!;
    assert.equal(name, 'nearest frame');
    assert.equal(count, 2);
    // decibels are pooled as the squared errors that they stand for
    const error = (decibels: number) => 10 ** (-decibels / 10);
    const of = (contestant: string) => {
      const [a, b] = [each[1]!.values[contestant]!, each[3]!.values[contestant]!];
      return -10 * Math.log10((error(a) + error(b)) / 2);
    };
    assert.ok(Math.abs(value - of('nearest frame')) < 1e-9, `${value}`);
    assert.ok(Math.abs(made - of('made')) < 1e-9, `${made}`);
    assert.notEqual(made, headline!.made);
  });

  test('measures a task that it has never heard of', async () => {
    const task: Task = {
      ...TASKS.vinp,
      id: 'stripes',
      summary: 'every second column',
      promptTag: 'stripes',
      mask: 'hole',
      fromSample: ({ clip }) => {
        const hole = new Uint8Array(clip.width * clip.height * clip.numFrames);
        const at = Array.from({ length: clip.numFrames }, (_, i) => i);
        return given({ known: [{ frames: clip, at, hole: hole.map((_, i) => i % 2) }] });
      },
    };
    const { headline, pictures } = await evaluated(task, ({ truth }) => truth);
    assert.equal(headline!.figure, 'unknownPsnr');
    assert.equal(headline!.baseline!.name, 'harmonic');
    assert.deepEqual(
      pictures[0]!.shown.map(({ label }) => label),
      ['given', 'harmonic', 'made', 'truth'],
    );
  });

  test('makes trials of other sizes apart, once each, and says how far it is', async () => {
    const [small, large] = [scenes(TASKS.isr), { width: 48, height: 32, numFrames: 1 }];
    const trials: Trials = {
      count: 4,
      at: async (i) => (i === 1 ? heldOutTrial(TASKS.isr, i, large) : small.at(i)),
    };
    const batches: string[][] = [];
    const recorded: Maker = {
      make: async (_task, batch) => {
        batches.push(batch.map(({ name }) => name));
        return batch.map(({ truth }) => truth);
      },
    };
    const done: number[] = [];
    const tell = { batchSize: 2, onDone: (count: number) => done.push(count) };
    const { report } = await evaluateTask(recorded, TASKS.isr, trials, tell);
    assert.deepEqual(batches, [['scene-0'], ['scene-1'], ['scene-2', 'scene-3']]);
    assert.deepEqual(done, [1, 2, 4]);
    assert.equal(report.each.length, 4);
  });

  test('measures what was made alone where no baselines are asked for', async () => {
    const all = maker(({ truth }) => truth);
    const options = { batchSize: 2, baselines: false };
    for (const task of [TASKS.iinp, TASKS.t2i]) {
      const { report } = await evaluateTask(all, task, scenes(task), options);
      assert.equal(report.headline!.beats, null);
      for (const { values } of report.figures) {
        assert.deepEqual(Object.keys(values), ['made', 'truth']);
      }
    }
  });

  test('keeps no tensor, and stops where it is told to', async () => {
    const before = memoryInfo().tensors;
    await evaluated(TASKS.vinp, ({ truth }) => truth);
    assert.deepEqual(memoryInfo().tensors, before);
    const signal = AbortSignal.abort(new Error('enough'));
    const all = maker(({ truth }) => truth);
    await assert.rejects(
      evaluateTask(all, TASKS.isr, scenes(TASKS.isr), { batchSize: 1, signal }),
      /enough/,
    );
  });
});

describe('FIGURES', () => {
  test('have a name, a definition and an id of their own', () => {
    assert.equal(new Set(FIGURES.map(({ id }) => id)).size, FIGURES.length);
    assert.equal(new Set(FIGURES.map(({ name }) => name)).size, FIGURES.length);
    for (const { definition } of FIGURES) assert.ok(definition.length > 20);
  });

  test('of change are shares of the truth’s: none for a still, half at half the contrast', async () => {
    const changesOf = async (of: (trial: Trial) => Frames) => {
      const { figures } = await evaluated(TASKS.i2v, of);
      return figures.find(({ figure }) => figure === 'changes')!.values;
    };
    const still = await changesOf(({ truth }) => repeatFirstFrame(truth));
    assert.deepEqual([still.made!.value, still.truth!.value], [0, 100]);
    assert.equal(still.made!.count, 3);
    const pale = ({ truth }: Trial) => ({ ...truth, data: truth.data.map((v) => 64 + v / 2) });
    // bytes round the half away or up
    assert.ok(Math.abs((await changesOf(pale)).made!.value - 50) < 5);
  });

  test('of edits tell the edited part from the rest', async () => {
    const psnrs = async (of: (trial: Trial) => Frames) => {
      const { figures } = await evaluated(TASKS.iedit, of);
      return ['changedPsnr', 'unchangedPsnr', 'editFollowed'].map(
        (id) => figures.find(({ figure }) => figure === id)!.values.made!.value,
      );
    };
    // the input itself: the rest is right, nothing is followed
    const [edited, rest, followed] = await psnrs(({ given }) => given.known[0]!.frames);
    assert.ok(edited! < 25 && rest! > 40 && followed === 0, `${edited} ${rest} ${followed}`);
    assert.deepEqual(await psnrs(({ truth }) => truth), [BEST_PSNR, BEST_PSNR, 100]);
  });

  test('of colours are those of Cb and Cr alone', async () => {
    const trial = await scenes(TASKS.icolor).at(0);
    // levels that stay in range, and a change of brightness alone: the colours are the same
    const truth = { ...trial.truth, data: trial.truth.data.map((v) => 50 + (v >> 1)) };
    const brighter = { ...truth, data: truth.data.map((v) => v + 20) };
    const laid = layOut(trial.given, truth);
    const figure = FIGURES.find(({ id }) => id === 'chromaPsnr')!;
    const subject = { task: TASKS.icolor, trial: { ...trial, truth }, laid };
    assert.equal(figure.of(brighter, subject)!.sum, BEST_PSNR);
    // 10 more blue: Cb + 5, Cr - 0.81312
    const bluer = { ...truth, data: truth.data.map((v, i) => v + (i % 3 === 2 ? 10 : 0)) };
    const expected = 10 * Math.log10(255 ** 2 / ((25 + 0.81312 ** 2) / 2));
    assert.ok(Math.abs(figure.of(bluer, subject)!.sum - expected) < 1e-6);
  });
});

const firstOf = ({ width, height, data }: Frames): Frames => ({
  width,
  height,
  numFrames: 1,
  data: data.subarray(0, width * height * 3),
});
