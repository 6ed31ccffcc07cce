import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { expectPlace, SourceFiles } from '../../src/files/output-place.js';
import { temporaryFolder } from '../temp-folder.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const refuses = (check: () => void, pattern: RegExp) =>
  assert.throws(check, (error: Error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.match(error.message, pattern);
    return true;
  });

mkdirSync(at('frames/more'), { recursive: true });
writeFileSync(at('frames/1.png'), 'one');
writeFileSync(at('clip.mp4'), 'clip');
linkSync(at('clip.mp4'), at('hard.mp4'));
symlinkSync(at('clip.mp4'), at('soft.mp4'));
symlinkSync(at('frames'), at('linked'));
symlinkSync(at('nowhere'), at('dangling.mp4'));

describe('expectPlace', () => {
  test('takes a file and what is not there yet', () => {
    expectPlace(at('clip.mp4'));
    expectPlace(at('new/folders/clip.mp4'));
    expectPlace('/dev/shm/clip.mp4');
  });

  test('refuses links, folders, devices and what lies below a file', () => {
    refuses(() => expectPlace(at('soft.mp4')), /soft\.mp4: is a link.*its target, .*clip\.mp4/);
    refuses(() => expectPlace(at('dangling.mp4')), /is a link/);
    refuses(() => expectPlace(at('frames')), /it is a folder; name a file/);
    refuses(() => expectPlace('/dev/stdout'), /not to a pipe, a device or \/proc; name/);
    refuses(() => expectPlace('-'), /not to a pipe, a device or \/proc; name/);
    refuses(() => expectPlace(at('clip.mp4/a/o.mp4')), /^\S+o\.mp4: .*part of its path is a file/);
    refuses(() => expectPlace(at('n'.repeat(300))), /longer than the system allows/);
  });

  test('refuses a pipe', { skip: process.platform === 'win32' && 'needs mkfifo' }, () => {
    execFileSync('mkfifo', [at('pipe.mp4')]);
    refuses(
      () => expectPlace(at('pipe.mp4')),
      /is a pipe, but results can be written only to files/,
    );
  });
});

describe('SourceFiles', () => {
  const sources = new SourceFiles([
    { path: at('soft.mp4'), what: 'the input' },
    { path: at('frames'), what: 'the mask' },
    { path: at('missing.png'), what: 'the depth' },
  ]);

  test('knows a file by every name', () => {
    const other = /is the input \S+soft\.mp4, which the result would replace; name another file/;
    for (const name of ['clip.mp4', 'hard.mp4', 'frames/../clip.mp4', 'linked/../clip.mp4']) {
      refuses(() => sources.expectOther(at(name)), other);
    }
    refuses(() => sources.expectOther(at('soft.mp4')), /is the input itself/);
  });

  test('a result among the files of a folder that is read is refused', () => {
    const among = /lies in the mask \S+frames, whose files are read; name another folder/;
    refuses(() => sources.expectOther(at('frames/2.png')), among);
    refuses(() => sources.expectOther(at('linked/2.png')), among);
    sources.expectOther(at('frames/more/2.png'));
    sources.expectOtherFile(at('frames/2.png'));
    sources.expectOther(at('other.mp4'));
    sources.expectOther(at('missing.png'));
  });

  test('a folder is refused if it is read, or lies in one', () => {
    refuses(() => sources.expectOtherFolder(at('frames')), /frames: is the mask itself/);
    refuses(() => sources.expectOtherFolder(at('linked/new/deep')), /lies in the mask/);
    sources.expectOtherFolder(at('frames-2'));
  });
});
