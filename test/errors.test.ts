import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AbortError, InputError, isAbort, JobError, MemoryError, MfmError } from '../src/errors.js';

describe('errors', () => {
  test('have a code by their kind, and a name', () => {
    const error = new InputError('a.mp4: no video in it');
    assert.deepEqual([error.name, error.code, error.exitCode], ['InputError', 'ERR_INPUT', 2]);
    assert.deepEqual([new JobError('died').code, new JobError('died').exitCode], ['ERR_JOB', 1]);
    assert.ok(!('field' in error) && !('hint' in error) && !('cause' in error));
  });

  test('say which option is wrong, and what to do', () => {
    const cause = new Error('below');
    const error = new InputError('a: wrong', { field: 'mask', hint: 'draw one', cause });
    assert.deepEqual([error.field, error.hint, error.cause], ['mask', 'draw one', cause]);
  });

  test('take the remedy from their sentence', () => {
    const hint = (message: string) => new MfmError(message).hint;
    assert.equal(hint('a: is empty; copy it again'), 'copy it again');
    assert.equal(hint('a; b.png: is empty; copy it again'), 'copy it again');
    assert.equal(hint('a: is empty'), undefined);
    assert.equal(hint('recipe.yaml: 2 problems\n  a: b; c\n  d: e; f'), undefined);
  });

  test('of memory say what would fit, and are InputErrors', () => {
    const fits = [{ numFrames: 9 }];
    const error = new MemoryError('too much', { neededBytes: 2, availableBytes: 1, fits });
    assert.ok(error instanceof InputError);
    assert.deepEqual([error.code, error.exitCode], ['ERR_MEMORY', 2]);
    assert.deepEqual([error.neededBytes, error.availableBytes, error.fits], [2, 1, fits]);
  });

  test('of an end that was asked for go by the name that Node.js uses', () => {
    const error = new AbortError('t2v: was ended by its signal', { cause: 'enough' });
    assert.ok(isAbort(error));
    assert.deepEqual([error.name, error.code, error.cause], ['AbortError', 'ABORT_ERR', 'enough']);
  });
});
