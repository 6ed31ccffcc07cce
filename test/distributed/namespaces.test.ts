/**
 * Two "machines": network namespaces with a cable between them and nothing else in common, as root
 * of Linux with iproute2 can make them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, describe, test } from 'node:test';
import { commandOf, type Ended, start } from './processes.js';

const run = (...[program = '', ...args]: string[]) =>
  spawnSync(program, args, { encoding: 'utf8' });
const machines = ['a', 'b'].map((name, i) => ({
  space: `mfm-${process.pid}-${name}`,
  // an interface's name has at most 15 characters
  cable: `m${process.pid}${name}`,
  address: `10.213.77.${i + 1}`,
}));
const [a, b] = machines as [(typeof machines)[0], (typeof machines)[0]];

/** Lays the cable; why that can't be done here, or false. */
function connect(): string | false {
  const steps = [
    ...machines.map(({ space }) => ['netns', 'add', space]),
    ['link', 'add', a.cable, 'type', 'veth', 'peer', 'name', b.cable],
    ...machines.flatMap(({ space, cable, address }) => [
      ['link', 'set', cable, 'netns', space],
      ['-n', space, 'addr', 'add', `${address}/24`, 'dev', cable],
      ['-n', space, 'link', 'set', cable, 'up'],
      ['-n', space, 'link', 'set', 'lo', 'up'],
    ]),
  ];
  if (process.platform !== 'linux') return 'network namespaces are Linux only';
  for (const step of steps) {
    const { status, error, stderr } = run('ip', ...step);
    if (error) return 'iproute2 is not installed';
    if (status !== 0) return `\`ip ${step.join(' ')}\` is not permitted here (${stderr.trim()})`;
  }
  return false;
}

function disconnect(): void {
  for (const { space } of machines) run('ip', 'netns', 'delete', space);
}

const skip = connect();
after(disconnect);

/** Two processes on each machine, started as Kubernetes or mpirun would, without a local launcher. */
function job(args: readonly unknown[], cut?: (started: ReturnType<typeof start>[]) => void) {
  const started = [a, a, b, b].map(({ space }, rank) =>
    start(['ip', 'netns', 'exec', space, ...commandOf('job.ts', args)], {
      RANK: String(rank),
      WORLD_SIZE: '4',
      LOCAL_RANK: String(rank % 2),
      LOCAL_WORLD_SIZE: '2',
      MASTER_ADDR: a.address,
      MASTER_PORT: '29511',
    }),
  );
  cut?.(started);
  return Promise.all<Ended>(started.map(({ ended }) => ended));
}

describe('two machines', { skip }, () => {
  test('four processes exchange over the cable', async () => {
    for (const [rank, { code, stdout, stderr }] of (await job(['run'])).entries()) {
      // ten steps of 0 + 1 + 2 + 3 + 4 · step
      const line = `torchrun rank ${rank} of 4: 240\n`;
      assert.deepEqual([code, stdout, stderr], [0, line, '']);
    }
  });

  test('a process killed on the other machine is named', async () => {
    const ends = await job(['kill', 3]);
    for (const rank of [0, 1, 2]) {
      assert.match(ends[rank]!.stderr, /^rank 3 has ended before the others/);
      assert.equal(ends[rank]!.code, 1);
    }
  });

  test('when the cable is cut both sides end and say whom they miss', async () => {
    const ends = await job(['wait'], ([first, ...others]) => {
      // all have joined: nobody is told to go on, the cable goes instead
      first!.child.stdout!.once('data', () => {
        run('ip', '-n', b.space, 'link', 'set', b.cable, 'down');
        for (const { child } of [first!, ...others]) child.kill('SIGTERM');
      });
    });
    const missed = [
      /^rank [23] has given/,
      /^rank [23] has given/,
      /^rank 0 has given/,
      /^rank 0 has/,
    ];
    for (const [rank, { code, stderr }] of ends.entries()) {
      assert.match(stderr, missed[rank]!);
      assert.equal(code, 1);
    }
  });
});
