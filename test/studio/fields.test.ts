import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Task } from '../../studio/api/types.js';
import {
  countField,
  type Field,
  fieldsOf,
  type JsonSchema,
  readField,
} from '../../studio/logic/fields.js';

type Defaults = Partial<Task['defaults']>;

const task = (properties: Record<string, JsonSchema>, defaults: Defaults = {}): Task =>
  ({
    id: 't2v',
    defaults,
    size: 'pipeline',
    follows_input: false,
    schema: { type: 'object', properties },
  }) as unknown as Task;
const only = (name: string, schema: JsonSchema, defaults: Defaults = {}): Field => {
  const { main, more } = fieldsOf(task({ [name]: schema }, defaults));
  return [...main, ...more][0]!;
};

describe('the form of a task', () => {
  test('shows what most people set first, and the rest below', () => {
    const number: JsonSchema = { type: 'number' };
    const { main, more } = fieldsOf(
      task({
        motion_score: number,
        seed: { type: 'integer' },
        num_frames: { type: 'integer' },
        fps: number,
      }),
    );
    assert.deepEqual(
      main.map(({ name }) => name),
      ['num_frames', 'seed'],
    );
    assert.deepEqual(
      more.map(({ name }) => name),
      ['motion_score', 'fps'],
    );
  });

  test('leaves out what has an editor of its own, and what has no simple form', () => {
    const { main, more } = fieldsOf(
      task({
        prompt: { type: 'string' },
        mask: {},
        inputs: { type: 'array' },
        tile: { type: 'object' },
      }),
    );
    assert.deepEqual([...main, ...more], []);
  });

  test('shows the default of the task, else that of the schema, while nothing is entered', () => {
    assert.equal(
      only('num_frames', { type: 'integer', default: 9 }, { num_frames: 17 }).placeholder,
      '17',
    );
    assert.equal(only('upscale', { type: 'number', default: 2 }).placeholder, '2');
    assert.equal(only('seed', { type: 'integer' }).placeholder, 'random');
    const follower = {
      ...task({ size: { type: 'string' } }, { size: '64x64' }),
      size: 'input',
    } as Task;
    assert.equal(fieldsOf(follower).main[0]!.placeholder, 'as the input');
  });

  test('takes the simple one of several forms', () => {
    const field = only('guidance_scale', {
      anyOf: [{ type: 'array' }, { type: 'number', minimum: 1 }, { type: 'null' }],
    });
    assert.deepEqual([field.kind, field.kind === 'number' && field.min], ['number', 1]);
    const choice = only('solver', { anyOf: [{ type: 'null' }, { enum: ['euler', 'unipc'] }] });
    assert.deepEqual(choice.kind === 'choice' && choice.options, ['euler', 'unipc']);
  });

  test('says what is wrong with a number before it is sent', () => {
    const frames = only('num_frames', { type: 'integer', minimum: 1, maximum: 100 });
    assert.deepEqual(readField(frames, ' 17 '), { value: 17 });
    assert.deepEqual(readField(frames, ''), { value: undefined });
    assert.deepEqual(readField(frames, '1.5'), { problem: 'Frames must be a whole number.' });
    assert.deepEqual(readField(frames, '0'), { problem: 'Frames must be at least 1.' });
    assert.deepEqual(readField(frames, '101'), { problem: 'Frames must be at most 100.' });
    assert.deepEqual(readField(frames, 'many'), { problem: 'Frames must be a number.' });
  });

  test('counts things from one', () => {
    const steps = countField('Steps');
    assert.deepEqual(readField(steps, '12'), { value: 12 });
    assert.deepEqual(readField(steps, '0'), { problem: 'Steps must be at least 1.' });
    assert.deepEqual(readField(steps, 'some'), { problem: 'Steps must be a number.' });
  });

  test('keeps every digit of a seed of 64 bits', () => {
    assert.deepEqual(readField(only('seed', { type: 'integer' }), '18446744073709551615'), {
      value: '18446744073709551615',
    });
  });
});
