import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { endChildren } from '../../src/cli/end-children.js';

const skip = process.platform !== 'linux' && 'Linux only';
test('ends the programs that were started, but not the processes of a training', {
  skip,
}, async () => {
  const [helper, rank] = [false, true].map((detached) =>
    spawn('sleep', ['600'], { stdio: 'ignore', detached }),
  );
  const ended = new Promise((resolve) => helper!.on('exit', (_, signal) => resolve(signal)));
  const rankEnded = new Promise((resolve) => rank!.on('exit', (_, signal) => resolve(signal)));
  endChildren();
  assert.equal(await ended, 'SIGKILL');
  rank!.kill('SIGTERM');
  assert.equal(await rankEnded, 'SIGTERM');
});
