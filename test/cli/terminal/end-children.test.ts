import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { endChildren } from '../../../src/cli/terminal/end-children.js';
import { program } from '../program.js';

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

test('spares what a shell had started before it became the program', { skip }, () => {
  const script = 'sleep 600 >/dev/null 2>&1 & echo $!; exec "$0" --help';
  const { stdout } = spawnSync('sh', ['-c', script, program], { encoding: 'utf8' });
  const pid = Number(stdout.split('\n')[0]);
  assert.ok(pid > 0, stdout);
  process.kill(pid, 'SIGKILL'); // throws if there is none any more
});
