import assert from 'node:assert/strict';
import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolder } from '../../src/files/make-folder.js';
import { temporaryFolder } from '../temp-folder.js';

const root = temporaryFolder();

test('makeFolder makes all that is missing, and leaves what is there', () => {
  const deep = join(root, 'a/b/c');
  makeFolder(deep);
  writeFileSync(join(deep, 'kept'), '');
  makeFolder(`${deep}/`);
  assert.ok(existsSync(join(deep, 'kept')), 'a file there is as it was');
});

test('makeFolder fails where none can be', () => {
  writeFileSync(join(root, 'file'), '');
  symlinkSync(join(root, 'gone/x'), join(root, 'dangling'));
  assert.throws(() => makeFolder(join(root, 'file')), { code: 'EEXIST' });
  assert.throws(() => makeFolder(join(root, 'file/below')), { code: 'ENOTDIR' });
  assert.throws(() => makeFolder(join(root, 'dangling')), { code: 'ENOENT' });
});

test('makeFolder returns where the system makes nothing', {
  skip: !existsSync('/proc/self'),
}, () => {
  assert.throws(() => makeFolder('/proc/none/below'), /^Error: E\w+: .*mkdir '\/proc\/none'$/);
});
