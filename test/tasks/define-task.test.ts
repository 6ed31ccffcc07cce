import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import {
  defineTask,
  everyFrame,
  NOTHING,
  TASKS,
  type Task,
  type TaskDeclaration,
} from '../../src/tasks/index.js';

const mirror: TaskDeclaration = {
  id: 'mirror',
  summary: 'your clip, mirrored',
  promptTag: 'mirroring',
  result: 'video',
  inputs: ['video'],
  fromSample: ({ clip }) => everyFrame(clip),
  fromInput: ({ media: [clip] }) => everyFrame(clip!),
};

/** As someone writes it whose editor checks no types. */
const declared = (changes: object) => () =>
  defineTask({ ...mirror, ...changes } as TaskDeclaration);

describe('defineTask', () => {
  test('fills in what most tasks share', () => {
    const task: Task = defineTask(mirror);
    const { fromSample, fromInput, ...fields } = task;
    assert.deepEqual([fromSample, fromInput], [mirror.fromSample, mirror.fromInput]);
    assert.deepEqual(fields, {
      id: 'mirror',
      summary: 'your clip, mirrored',
      promptTag: 'mirroring',
      result: 'video',
      inputs: ['video'],
      optionalInputs: [],
      placed: false,
      mask: 'none',
      size: 'input',
      followsInput: true,
      needs: {},
      weight: 1,
      prompt: 'caption',
      keeps: 'nothing',
      windows: 'cross-faded',
    });
  });

  test('takes every task of the table under another name', () => {
    for (const task of Object.values<Task>(TASKS)) {
      const own = { ...task, id: `my-${task.id}` };
      assert.deepEqual(defineTask(own), own);
    }
  });

  test('names what is missing, unknown or wrong, all of it at once', () => {
    assert.throws(
      declared({ fromInput: undefined, sise: 'input', weight: 0, needs: { word: 1 } }),
      {
        name: InputError.name,
        message: [
          'defineTask: task "mirror": 4 problems',
          '  needs.word: unknown field',
          '  weight: Too small: expected number to be >0',
          '  fromInput: is missing: the function fromInput(input, numFrames) returns the condition inputs',
          '  sise: unknown field; did you mean "size"?',
        ].join('\n'),
      },
    );
    assert.throws(declared({ id: undefined }), /^InputError: defineTask: id: Invalid input: /);
    assert.throws(declared({ id: 't2v' }), {
      message: 'defineTask: task "t2v": id: there already is a task "t2v"; choose another id',
    });
    assert.throws(declared({ id: 'a task' }), /id: must be a letter, then up to 39 letters/);
    assert.throws(declared({ inputs: ['sound'] }), /task "mirror": inputs\.0: Invalid option/);
    assert.throws(() => defineTask(null as never), /^InputError: defineTask: /);
  });

  test('names fields that do not go together', () => {
    assert.throws(declared({ inputs: [], fromInput: () => NOTHING }), {
      message: [
        'defineTask: task "mirror": 2 problems',
        '  size: "input" is taken from an input, which a task without inputs does not have',
        '  followsInput: takes the length of an input, which a task without inputs does not have',
      ].join('\n'),
    });
    const own = defineTask({ ...mirror, inputs: [], size: 'pipeline', followsInput: false });
    assert.equal(own.windows, 'cross-faded');
    assert.throws(declared({ prompt: 'instruction' }), /add needs: \{ edit: true \}/);
  });
});
