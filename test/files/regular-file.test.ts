import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError } from '../../src/errors.js';
import {
  openRegular,
  readRegular,
  readRegularSync,
  unreadable,
} from '../../src/files/regular-file.js';
import { temporaryFolder } from '../temp-folder.js';

const folder = temporaryFolder();
const skip = process.platform === 'win32' && 'needs pipes and devices in the file system';

test('reads a file whole', async () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'bytes');
  assert.equal(String(await readRegular(path)), 'bytes');
  assert.equal(String(readRegularSync(path)), 'bytes');
  const file = await openRegular(path);
  await file.close();
});

test('a pipe that nobody writes to, a socket, a device and a folder are named at once', {
  skip,
}, async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const socket = join(folder, 'socket');
  const server = createServer().listen(socket);
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    for (const [path, what] of [
      [pipe, 'is a pipe, but only files can be read; save its output to a file first'],
      [socket, 'is a socket, but only files can be read; save its output to a file first'],
      ['/dev/zero', 'is a device, but only files can be read; save its output to a file first'],
      [folder, 'must be a file, is a folder'],
    ] as const) {
      const expected = (error: unknown) => {
        assert.ok(error instanceof InputError);
        assert.equal(error.message, `${path}: ${what}`);
        return true;
      };
      await assert.rejects(readRegular(path), expected);
      assert.throws(() => readRegularSync(path), expected);
    }
  } finally {
    server.close();
  }
});

test('what the system says becomes a sentence', async () => {
  const sentence = async (path: string) => {
    const cause = await readRegular(path).catch((error: unknown) => error);
    return unreadable(path, cause).message.slice(path.length);
  };
  assert.equal(await sentence(join(folder, 'none')), ': no such file; check the path');
  assert.match(
    await sentence(join(folder, 'n'.repeat(300))),
    /^: its name is longer than the system/,
  );
  assert.match(await sentence('a\0b'), /^: a path must not contain the character NUL/);
});
