import assert from 'node:assert/strict';
import { readdirSync, symlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { holderOf, takeLock, withLock } from '../../src/processes/lock.js';
import { temporaryFolder } from '../temp-folder.js';

const root = temporaryFolder();

describe('withLock', () => {
  test('runs one job after the other, and says once who is waited for', async () => {
    const name = join(root, 'in/turn');
    const seen: string[] = [];
    const job = (what: string) => async () => {
      seen.push(`${what} begins`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      seen.push(`${what} ends`);
    };
    const onWait = (pid: number) => seen.push(`waits for ${pid}`);
    await Promise.all([withLock(name, job('one')), withLock(name, job('two'), { onWait })]);
    assert.deepEqual(seen, [
      'one begins',
      `waits for ${process.pid}`,
      'one ends',
      'two begins',
      'two ends',
    ]);
    assert.deepEqual(readdirSync(join(root, 'in')), []);
  });

  test('gives the lock back if the job fails, and stops waiting as the signal says', async () => {
    const name = join(root, 'signal');
    const stop = new AbortController();
    const failing = withLock(name, async () => {
      const waiting = withLock(name, async () => assert.fail('it is held'), {
        signal: stop.signal,
      });
      stop.abort(new Error('enough'));
      await assert.rejects(waiting, { message: 'enough' });
      throw new Error('no luck');
    });
    await assert.rejects(failing, { message: 'no luck' });
    assert.equal(holderOf(name), null);
  });
});

describe('takeLock', () => {
  test('keeps locks of other names in the same folder apart', () => {
    const [a, b] = ['a', 'a-1'].map((name) => takeLock(join(root, name)));
    assert.ok('release' in a! && 'release' in b!);
    assert.ok('heldBy' in takeLock(join(root, 'a')));
    a.release();
    b.release();
  });

  test('says which process of this machine holds it, and follows none that never was', () => {
    symlinkSync(`${hostname()}:${process.pid}:1`, join(root, 'other-7'));
    const lock = takeLock(join(root, 'other'));
    assert.ok('release' in lock, 'its number is used again, by this process');
    const held = takeLock(join(root, 'other'));
    assert.ok('heldBy' in held);
    assert.deepEqual(
      [held.heldBy.pid, held.heldBy.host, held.heldBy.path],
      [process.pid, hostname(), join(root, 'other-8')],
    );
    lock.release();
  });
});
