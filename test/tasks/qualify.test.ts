import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sceneFacts } from '../../src/data/miniworld/sample.js';
import type { SampleFacts } from '../../src/data/sources/facts.js';
import {
  lackOf,
  qualifiedTasks,
  shortcomings,
  TASK_IDS,
  TASKS,
  type TaskId,
  tallyLines,
  tallyTask,
  taskMix,
  weightedTasks,
} from '../../src/tasks/index.js';

/** A clip that is good for every task but editing. */
const clip: SampleFacts = {
  kind: 'clip',
  width: 640,
  height: 360,
  numFrames: 49,
  captionWords: 12,
  sharpness: 300,
  motionScore: 2,
  colourful: true,
  watermark: false,
  text: false,
  hasMask: false,
  hasDepth: true,
  hasEditSource: false,
};
const image: SampleFacts = { ...clip, kind: 'image', numFrames: 1, motionScore: 0 };

const ids = (facts: SampleFacts): string[] => qualifiedTasks(facts).map(({ id }) => id);
const EDITS = ['iedit', 'vedit'];
const IMAGE_TASKS = TASK_IDS.filter((id) => TASKS[id].result === 'image');
const VIDEO_TASKS = TASK_IDS.filter((id) => TASKS[id].result === 'video');

/** The tasks that a change takes away from the good clip, and the phrase that says why. */
function takesAway(changes: Partial<SampleFacts>, lost: TaskId[], phrase: string): void {
  const changed = { ...clip, ...changes };
  const expected = ids(clip).filter((id) => !lost.includes(id as TaskId));
  assert.deepEqual(ids(changed), expected);
  for (const id of lost) assert.deepEqual(shortcomings(TASKS[id], changed), [phrase], id);
}

describe('what a sample is used for', () => {
  test('a good clip is used for every task but editing', () => {
    const expected = TASK_IDS.filter((id) => !EDITS.includes(id));
    assert.deepEqual(ids(clip), expected);
    assert.deepEqual(shortcomings(TASKS.t2v, clip), []);
  });

  test('a small one is not made larger, nor drawn from a prompt', () => {
    takesAway({ height: 63 }, ['t2i', 't2v', 'isr', 'vsr'], 'a side below 64');
    takesAway({ height: 64 }, [], '');
    assert.deepEqual(shortcomings(TASKS.t2i, clip, { minSide: 400 }), ['a side below 400']);
  });

  test('a marked one is not drawn from a prompt, filled or shaped', () => {
    const lost: TaskId[] = ['t2i', 't2v', 'iinp', 'vinp', 'ioutp', 'voutp', 'd2v', 'mtrans', 'any'];
    takesAway({ watermark: true }, lost, 'watermark');
    takesAway({ text: true }, lost, 'text in the picture');
  });

  test('a briefly captioned one is not drawn from its prompt', () => {
    const few = 'caption of fewer than 2 words';
    takesAway({ captionWords: 2 }, [], '');
    takesAway({ captionWords: 1 }, ['t2i', 't2v', 'd2v', 'mtrans'], few);
    const facts = { ...clip, captionWords: 0 };
    assert.deepEqual(shortcomings(TASKS.i2v, facts), ['no caption']);
    assert.deepEqual(shortcomings(TASKS.vcolor, facts), ['no caption']);
    const left = ['vexd', 'itrans', 'vtrans', 'isr', 'vsr', 'iinp', 'vinp', 'ioutp', 'voutp'];
    assert.deepEqual(ids(facts), left);
  });

  test('a blurred one teaches no detail', () => {
    takesAway({ sharpness: 39 }, ['isr', 'vsr'], 'not sharp');
    takesAway({ sharpness: 40 }, [], '');
    assert.deepEqual(shortcomings(TASKS.isr, clip, { minSharpness: 301 }), ['not sharp']);
  });

  test('a gray one teaches no colours', () => {
    takesAway({ colourful: false }, ['icolor', 'vcolor'], 'no colours');
  });

  test('a still one teaches no motion', () => {
    const moving: TaskId[] = ['t2v', 'i2v', 'vexd', 'itrans', 'vtrans'];
    takesAway({ motionScore: 0.04 }, moving, 'nothing moves');
    assert.deepEqual(shortcomings(TASKS.i2v, clip, { minMotion: 3 }), ['nothing moves']);
  });

  test('a short one has no room for the ends that a task is given', () => {
    takesAway({ numFrames: 12 }, ['vexd'], 'fewer than 13 frames');
    assert.deepEqual(shortcomings(TASKS.vtrans, { ...clip, numFrames: 8 }), [
      'fewer than 9 frames',
    ]);
    assert.deepEqual(shortcomings(TASKS.i2v, { ...clip, numFrames: 4 }), ['fewer than 5 frames']);
  });

  test('one without depth shapes nothing', () => {
    takesAway({ hasDepth: false }, ['d2v', 'mtrans'], 'no depth');
  });

  test('one without what it was before an edit teaches none', () => {
    for (const id of ['iedit', 'vedit'] as const) {
      assert.deepEqual(shortcomings(TASKS[id], clip), ['no picture before an edit']);
    }
    assert.deepEqual(ids({ ...clip, hasEditSource: true }), TASK_IDS);
  });

  test('with an instruction in place of a caption it is used where no caption is needed', () => {
    const edited = ids({ ...clip, hasEditSource: true, captionWords: 0 });
    for (const id of ['t2i', 't2v', 'i2v', 'icolor', 'd2v']) assert.ok(!edited.includes(id), id);
    for (const id of ['iedit', 'vedit', 'vinp', 'vsr']) assert.ok(edited.includes(id), id);
  });

  test('a scene of MiniWorld is used for every task of its kind', () => {
    const size = { width: 64, height: 64 };
    assert.deepEqual(ids(sceneFacts({ ...size, numFrames: 17 })), TASK_IDS);
    assert.deepEqual(ids(sceneFacts({ ...size, numFrames: 1 })), IMAGE_TASKS);
  });

  test('an image is used for image tasks alone, a clip for both', () => {
    const expected = IMAGE_TASKS.filter((id) => !EDITS.includes(id));
    assert.deepEqual(ids(image), expected);
    for (const id of VIDEO_TASKS) assert.deepEqual(shortcomings(TASKS[id], image), ['is an image']);
    assert.ok(expected.every((id) => ids(clip).includes(id)));
  });

  test('what was not measured keeps nothing back', () => {
    takesAway({ sharpness: null, motionScore: null, colourful: null }, [], '');
  });

  test('all that is wrong is said at once', () => {
    const poor = { ...clip, width: 40, captionWords: 0, watermark: true, motionScore: 0 };
    assert.deepEqual(shortcomings(TASKS.t2v, { ...poor, numFrames: 3 }), [
      'fewer than 5 frames',
      'caption of fewer than 2 words',
      'watermark',
      'a side below 64',
      'nothing moves',
    ]);
  });
});

describe('tallyTask', () => {
  test('counts the samples of a task and what the others lack, the most frequent first', () => {
    const samples = [
      [clip, 3],
      [{ ...clip, captionWords: 1, watermark: true }, 1],
      [{ ...clip, watermark: true }, 2],
      [image, 4],
    ] as const;
    const tally = tallyTask({ task: TASKS.t2v, weight: 3 }, samples);
    assert.deepEqual(tally, {
      task: TASKS.t2v,
      weight: 3,
      samples: 3,
      of: 10,
      lacks: [
        ['is an image', 4],
        ['watermark', 3],
        ['caption of fewer than 2 words', 1],
      ],
    });
    assert.equal(lackOf(tally), '4: is an image');
  });

  test('makes a line of those that some samples are good for, and one of the others', () => {
    const tallies = weightedTasks({ t2i: 1, isr: 1, vsr: 1, i2v: 1, iedit: 1 }).map((one) =>
      tallyTask(one, [
        [image, 2],
        [{ ...image, captionWords: 0 }, 1],
      ]),
    );
    assert.deepEqual(tallyLines(tallies), [
      'samples by task: t2i 2 of 3 (1: caption of fewer than 2 words), isr 3 of 3',
      'tasks without a sample, which are not trained: vsr, i2v (3: is an image); iedit (3: no picture before an edit)',
    ]);
    const none = weightedTasks({ t2v: 1 }).map((one) => tallyTask(one, []));
    assert.deepEqual(tallyLines(none), [
      'tasks without a sample, which are not trained: t2v (there are none of its kind)',
    ]);
  });
});

describe('taskMix', () => {
  const shares = (samples: SampleFacts[], weights: Record<string, number>) => {
    const { entries, unused } = taskMix(samples, weightedTasks(weights));
    const found = entries.map(({ task, samples: count, share }) => [task.id, count, share]);
    return { found, unused };
  };

  test('gives the shares of a draw by weight among what each sample qualifies for', () => {
    const data = [
      clip, // i2v 3 of 6, vsr 1 of 6, isr 2 of 6
      { ...clip, sharpness: 1 }, // i2v alone
      image, // isr alone
      { ...image, sharpness: 1 }, // nothing
    ];
    const { found, unused } = shares(data, { i2v: 3, vsr: 1, isr: 2, vedit: 9 });
    assert.equal(unused, 1);
    const expected: [string, number, number][] = [
      ['i2v', 2, (3 / 6 + 1) / 3],
      ['vsr', 1, 1 / 6 / 3],
      ['isr', 2, (2 / 6 + 1) / 3],
      ['vedit', 0, 0],
    ];
    expected.forEach(([id, count, share], i) => {
      assert.deepEqual(found[i]!.slice(0, 2), [id, count]);
      assert.ok(Math.abs((found[i]![2] as number) - share) < 1e-12, id);
    });
  });

  test('is empty for no samples, and for none that can be used', () => {
    assert.deepEqual(shares([], { t2i: 1 }), { found: [['t2i', 0, 0]], unused: 0 });
    assert.deepEqual(shares([image, image], { t2v: 1 }), { found: [['t2v', 0, 0]], unused: 2 });
  });

  test('takes every task with its own weight where none are named', () => {
    const { entries } = taskMix([clip], weightedTasks());
    assert.deepEqual(
      entries.map(({ task }) => task.id),
      TASK_IDS,
    );
    const of = (id: string) => entries.find(({ task }) => task.id === id)!;
    assert.equal(of('t2v').share, 3 * of('vsr').share);
    assert.ok(Math.abs(entries.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-12);
  });
});
