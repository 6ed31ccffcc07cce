import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError, JobError } from '../../src/errors.js';
import { unreadable } from '../../src/files/regular-file.js';
import { fileProblem } from '../../src/files/system-errors.js';
import { writeFailure } from '../../src/files/write-failure.js';

const failing = (code: string, message = `${code}: the system's words`) =>
  Object.assign(new Error(message), { code });

describe('what the system says of a file', () => {
  test('is said differently of reading and of writing', () => {
    const said = ['EACCES', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENXIO'].map((code) =>
      (['any', 'reading', 'writing'] as const).map(
        (use) => fileProblem(failing(code), use)?.reason,
      ),
    );
    assert.deepEqual(said, [
      [
        'permission denied; choose another place or change its permissions',
        'may not be read; change its permissions',
        'cannot be written, its folder is read-only; choose another place',
      ],
      [
        'part of the path is a file, not a folder',
        'no such file; check the path',
        'cannot be written, part of its path is a file; choose another place',
      ],
      [
        'must be a file, is a folder',
        'must be a file, is a folder',
        'cannot be written, it is a folder; name a file',
      ],
      [
        'is a link that leads to itself; name the file',
        'is a link that leads to itself; name the file',
        undefined,
      ],
      [undefined, 'is not a readable file; save its output to a file first', undefined],
    ]);
  });

  test('is the fault of the input, or of the job where the disk is full', () => {
    for (const error of [failing('EDQUOT'), failing('X', 'ffmpeg: No space left on device')]) {
      const full = writeFailure('a.mp4', error);
      assert.ok(full instanceof JobError);
      assert.equal(
        full.message,
        'a.mp4: cannot be written, the disk is full; free some space and run again',
      );
    }
    assert.ok(writeFailure('a', failing('EROFS')) instanceof InputError);
  });

  test('stays in its own words where there is no sentence for it', () => {
    assert.equal(
      unreadable('a', failing('EIO', 'i/o error')).message,
      'a: cannot be read (i/o error)',
    );
    const odd = writeFailure('a', failing('EIO', 'i/o error'));
    assert.ok(odd instanceof JobError);
    assert.equal(odd.message, 'a: cannot be written (i/o error)');
    assert.equal(
      fileProblem(failing('ERR_INVALID_ARG_VALUE', 'another argument'), 'any'),
      undefined,
    );
  });
});
