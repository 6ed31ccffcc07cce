import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { Store } from '../../src/tensor/index.js';
import { commandOf, type Ended, freePort, start } from './processes.js';

/** Processes of job.ts with torchrun's variables; what each wrote and how it ended. */
async function job(size: number, args: unknown[], stopped?: number): Promise<Ended[]> {
  const port = String(await freePort());
  const made = [...Array(size).keys()].map((rank) =>
    start(commandOf('job.ts', args), {
      RANK: String(rank),
      WORLD_SIZE: String(size),
      LOCAL_RANK: String(rank),
      LOCAL_WORLD_SIZE: String(size),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: port,
    }),
  );
  if (stopped !== undefined) {
    await Promise.all(made.filter((_, rank) => rank !== stopped).map(({ ended }) => ended));
    made[stopped]!.child.kill('SIGKILL');
  }
  return Promise.all(made.map(({ ended }) => ended));
}

// sum over ten steps of sum over ranks of (rank + step)
const total = (size: number) => 10 * ((size * (size - 1)) / 2) + 45 * size;

describe('joinWorld', () => {
  for (const [size, mode] of [
    [2, 'run'],
    [4, 'run'],
    [2, 'sync'],
  ] as const) {
    test(`${size} processes join, exchange and leave (${mode})`, async () => {
      for (const [rank, { code, stdout, stderr }] of (await job(size, [mode])).entries()) {
        const line = `torchrun rank ${rank} of ${size}: ${total(size)}\n`;
        assert.deepEqual([code, stdout, stderr], [0, line, '']);
      }
    });
  }

  test('a process that is busy longer than a hang lasts is waited for', async () => {
    const ends = await job(2, ['busy', 1]);
    assert.deepEqual(
      ends.map(({ code, stderr }) => [code, stderr]),
      [
        [0, ''],
        [0, ''],
      ],
    );
  });

  for (const culprit of [0, 2]) {
    test(`rank ${culprit} killed: the others end and name it`, async () => {
      const ends = await job(4, ['kill', culprit]);
      for (const [rank, { code, signal, stderr }] of ends.entries()) {
        if (rank === culprit) {
          assert.equal(signal, 'SIGKILL');
        } else {
          assert.match(
            stderr,
            new RegExp(
              `^rank ${culprit} has ended before the others \\(noticed by rank ${rank} of 4`,
            ),
          );
          assert.equal(code, 1);
        }
      }
    });

    test(`rank ${culprit} stopped: the others end and name it`, async () => {
      for (const [rank, { code, stderr }] of (await job(3, ['stop', culprit], culprit)).entries()) {
        if (rank === culprit) continue;
        assert.match(stderr, new RegExp(`^rank ${culprit} has given no sign of life for 1.2 s`));
        assert.equal(code, 1);
      }
    });
  }

  test('a process that lives but never comes is named after the timeout', async () => {
    const ends = await job(3, ['stuck', 1], 1);
    for (const rank of [0, 2]) {
      assert.match(ends[rank]!.stderr, /rank 1 is alive but has begun 5 exchanges .* begun 6/);
      assert.equal(ends[rank]!.code, 1);
    }
  });

  test('at a meeting a process may come as late as it likes, if it lives', async () => {
    for (const culprit of [0, 1]) {
      const ends = await job(2, ['late', culprit]);
      assert.deepEqual(
        ends.map(({ code, stderr }) => [code, stderr]),
        [
          [0, ''],
          [0, ''],
        ],
      );
      const [lost, left] = await job(2, ['late and killed', culprit]).then((all) =>
        culprit === 0 ? all : all.toReversed(),
      );
      assert.equal(lost!.signal, 'SIGKILL');
      assert.match(
        left!.stderr,
        new RegExp(`^rank ${culprit} has ended before the others .*, meet`),
      );
      assert.equal(left!.code, 1);
    }
  });

  test('joins at a store that the launcher serves, and again after a restart', async () => {
    const store = await Store.open('127.0.0.1', 0, { serve: true, timeoutMs: 10_000 });
    for (const attempt of ['0', '1']) {
      const ends = [0, 1].map((rank) =>
        start(commandOf('job.ts', ['run']), {
          RANK: String(rank),
          WORLD_SIZE: '2',
          MASTER_ADDR: '127.0.0.1',
          MASTER_PORT: String(store.port),
          TORCHELASTIC_USE_AGENT_STORE: 'True',
          TORCHELASTIC_RESTART_COUNT: attempt,
        }),
      );
      for (const { ended } of ends) assert.equal((await ended).code, 0);
    }
    store.close();
  });

  test('a store that a launcher of another version serves is refused with the remedy', async () => {
    const other = createServer((socket) => socket.on('data', () => socket.destroy()));
    const port = await new Promise<number>((resolve) =>
      other.listen(0, '127.0.0.1', () => resolve((other.address() as AddressInfo).port)),
    );
    const { code, stderr } = await start(commandOf('job.ts', ['absent']), {
      RANK: '0',
      WORLD_SIZE: '2',
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(port),
      TORCHELASTIC_USE_AGENT_STORE: 'True',
    }).ended;
    other.close();
    assert.match(stderr, /^rank 0: .* TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun\n$/);
    assert.equal(code, 1);
  });

  test('a port that is taken is named', async () => {
    const store = await Store.open('127.0.0.1', 0, { serve: true, timeoutMs: 10_000 });
    const { code, stderr } = await start(commandOf('job.ts', ['run']), {
      RANK: '0',
      WORLD_SIZE: '2',
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(store.port),
    }).ended;
    store.close();
    assert.match(
      stderr,
      /^rank 0: could not listen on port \d+; it may be in use: set MASTER_PORT/m,
    );
    assert.equal(code, 1);
  });

  test('a machine of rank 0 without an address is named at once', async () => {
    const { code, stderr } = await start(commandOf('job.ts', ['run']), {
      RANK: '1',
      WORLD_SIZE: '2',
      LOCAL_RANK: '0',
      LOCAL_WORLD_SIZE: '1',
      MASTER_ADDR: 'no-such-host.invalid',
      MASTER_PORT: String(await freePort()),
    }).ended;
    assert.match(
      stderr,
      /^MASTER_ADDR: the machine of rank 0, no-such-host\.invalid, has no address/,
    );
    assert.equal(code, 2);
  });

  for (const [rank, waitsFor] of [
    ['0', 'rank 1 of 2'],
    ['1', 'rank 0 at 127\\.0\\.0\\.1:\\d+'],
  ] as const) {
    test(`rank ${rank} says that it waits for ${waitsFor}, and ends at a signal`, async () => {
      const { child, ended } = start(commandOf('job.ts', ['alone']), {
        RANK: rank,
        WORLD_SIZE: '2',
        MASTER_ADDR: '127.0.0.1',
        MASTER_PORT: String(await freePort()),
      });
      child.stderr!.once('data', () => child.kill('SIGINT'));
      const { signal, stderr } = await ended;
      assert.match(stderr, new RegExp(`^waiting for ${waitsFor}, 5 s\n$`));
      assert.equal(signal, 'SIGINT');
    });
  }

  test('a process that does not join is named', async () => {
    const ends = await job(3, ['absent', 1]);
    assert.match(ends[0]!.stderr, /^rank 1 of 3 did not join within 2 s/);
    assert.deepEqual([ends[0]!.code, ends[2]!.code], [1, 1]);
  });
});
