import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { describeProblem } from '../../../src/cli/terminal/problem.js';
import { InputError, JobError } from '../../../src/errors.js';

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail('nothing was thrown');
}

describe('describeProblem', () => {
  test('passes our own sentences and exit codes on', () => {
    const wrong = describeProblem(new InputError('a.mp4: no video in it'));
    assert.deepEqual(wrong, { message: 'a.mp4: no video in it', exitCode: 2 });
    assert.equal(describeProblem(new JobError('ffmpeg died')).exitCode, 1);
  });

  test('puts errors of the system into words', () => {
    const missing = describeProblem(thrownBy(() => writeFileSync('/nowhere/x', '')));
    assert.equal(missing.exitCode, 2);
    assert.equal(missing.message, '/nowhere/x: no such file or folder; check the path');
    const path = describeProblem(thrownBy(() => writeFileSync(`/tmp/${'x'.repeat(5000)}`, '')));
    assert.match(path.message, /^\/tmp\/x{195}…: its name is longer than the system allows/);
    const folder = describeProblem(thrownBy(() => writeFileSync('/tmp', '')));
    assert.match(folder.message, /^\/tmp: must be a file, is a folder$/);
    const long = describeProblem(thrownBy(() => writeFileSync(`/tmp/${'n'.repeat(300)}`, '')));
    assert.match(long.message, /n…: its name is longer than the system allows; give it a shorter/);
    const nul = describeProblem(thrownBy(() => writeFileSync('a\0b', '')));
    assert.deepEqual(nul.exitCode, 2);
    assert.match(nul.message, /^mfm: a path must not contain the character NUL/);
  });

  test('calls a full disk a failure of the job', { skip: process.platform !== 'linux' }, () => {
    const full = thrownBy(() => writeFileSync('/dev/full', 'x'));
    const { message, exitCode } = describeProblem(
      Object.assign(full as Error, { path: 'out.png' }),
    );
    assert.equal(exitCode, 1);
    assert.match(message, /^out\.png: no space left on the disk; /);
  });

  test('hides the stack of anything else unless asked for it', () => {
    const error = new TypeError('x is not a function');
    const { message, exitCode } = describeProblem(error);
    assert.equal(exitCode, 1);
    assert.match(message, /^mfm: unexpected error: x is not a function; .*--debug/);
    assert.doesNotMatch(message, /\n/);
    assert.match(describeProblem(error, true).message, /problem\.test\.ts/);
  });

  test('takes anything that can be thrown', () => {
    assert.match(describeProblem('text').message, /text/);
    assert.match(describeProblem(undefined).message, /undefined/);
  });
});
