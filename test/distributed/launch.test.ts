import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { commandOf, start } from './processes.js';

const launch = (...args: unknown[]) => start(commandOf('launch.ts', args));

describe('launchProcesses', () => {
  test('shows what rank 0 writes and leaves with 0', async () => {
    const { code, stdout, stderr } = await launch(2, 10, 'run').ended;
    // ten steps of 0 + 1 + 2 · step
    assert.deepEqual([code, stdout, stderr], [0, 'torchrun rank 0 of 2: 100\n', '']);
  });

  test('one killed: ends the others, names it, leaves with 1', async () => {
    const { code, stdout, stderr } = await launch(4, 10, 'kill', 2).ended;
    assert.match(stderr, /^rank 2 was killed \(SIGKILL\); all processes have ended; .*--resume$/m);
    assert.deepEqual([code, stdout], [1, '']);
  });

  test('one stopped: ends it too, after the time given', async () => {
    const { code, stderr } = await launch(2, 1, 'stop', 1).ended;
    assert.match(stderr, /^rank 1 has given no sign of life for 1.2 s/);
    assert.match(
      stderr,
      /^rank 0 failed \(exit code 1\); rank 1 did not end when asked to and was killed;/m,
    );
    assert.equal(code, 1);
  });

  test('passes bad input of any rank through, once', async () => {
    for (const rank of [0, 1]) {
      const { code, stderr } = await launch(2, 10, 'input', rank).ended;
      const lines = stderr.split('\n').filter((line) => line.startsWith('recipe.yaml'));
      assert.deepEqual([code, lines], [2, ['recipe.yaml: steps must be positive, got 0']]);
    }
  });

  test('passes a signal on to all', async () => {
    const { child, ended } = launch(2, 10, 'wait');
    child.stdout!.once('data', () => child.kill('SIGTERM'));
    const { code, stdout } = await ended;
    assert.deepEqual([code, stdout], [0, 'waiting\ntold to stop\n']);
  });

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    test(`leaves with ${code} if all stop in order at ${signal}, without a report`, async () => {
      const { child, ended } = launch(2, 10, 'wait', code);
      child.stdout!.once('data', () => child.kill(signal));
      const end = await ended;
      assert.deepEqual([end.code, end.stderr], [code, '']);
    });
  }

  test('ends processes that do not listen at the second Ctrl-C', async () => {
    const { child, ended } = launch(2, 10, 'deaf');
    let timer: NodeJS.Timeout | undefined;
    child.stdout!.once('data', () => {
      timer = setInterval(() => child.kill('SIGINT'), 50);
    });
    const { code, signal, stderr } = await ended;
    clearInterval(timer);
    // on a busy machine one more signal may come when Node.js handles none any more; a shell shows 130
    assert.deepEqual([signal === 'SIGINT' ? 130 : code, stderr], [130, '']);
  });

  test('when it is killed itself, its processes stop as if told to', async () => {
    const { child, ended } = launch(2, 10, 'wait');
    child.stdout!.once('data', () => child.kill('SIGKILL'));
    // ended: the last process that could write to this pipe is gone
    const { signal, stdout } = await ended;
    assert.deepEqual([signal, stdout], ['SIGKILL', 'waiting\ntold to stop\n']);
  });
});
