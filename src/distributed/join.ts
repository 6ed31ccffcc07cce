/** Joins a job's processes: they meet at rank 0's store, monitor each other and form a group. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { DistributedError, InputError } from '../errors.js';
import { pulse, Store } from '../tensor/index.js';
import type { WorldEnvironment } from './environment.js';
import { ProcessGroup } from './process-group.js';

export interface JoinOptions {
  /** how long joining, and each collective, waits for the other processes */
  timeoutSeconds?: number;
  /** after how long without a sign of life a process counts as hung; work may take any time */
  hangSeconds?: number;
  /** device of the tensors; 'cuda' accepts tensors on GPUs and on the CPU */
  device?: 'cpu' | 'cuda';
  /** receives a sentence on what is waited for, after some seconds and then at growing intervals */
  say?: (sentence: string) => void;
}

/** Shorter waits are not reported. */
const QUIET_SECONDS = 5;

/**
 * Returns when all processes of the job have joined. A process should leave by the group's
 * `close()`; one that ends without it is reported to the others as lost.
 * @throws DistributedError naming the ranks that did not join in time; InputError if the machine of
 *         rank 0 has no address
 */
export async function joinWorld(
  world: WorldEnvironment,
  { timeoutSeconds = 600, hangSeconds = 30, device = 'cpu', say = () => {} }: JoinOptions = {},
): Promise<ProcessGroup> {
  const { rank, worldSize: size, masterAddr } = world;
  const timeoutMs = Math.round(timeoutSeconds * 1000);
  endWithLauncher();
  await expectAddress(world, { timeoutMs, say });
  const leader = async () => `rank 0 at ${masterAddr}:${world.masterPort}`;
  const store = await telling(say, leader, meet(world, timeoutMs));
  const keys = [...Array(size).keys()].map((other) => `here/${other}`);
  const missing = await store
    .set(keys[rank]!, '1')
    .then(() => telling(say, () => others(store, keys), store.missing(keys, timeoutMs)))
    .catch((cause) => {
      throw new DistributedError(
        `rank ${rank}: lost the connection to the store at ${masterAddr}:${world.masterPort}; ${remedy(world, 'find out what happened to rank 0, then start the job again')}`,
        { cause },
      );
    });
  if (missing.length > 0) {
    throw new DistributedError(
      `${ranksOf(missing, size)} did not join within ${timeoutSeconds} s; find out what happened to ${missing.length === 1 ? 'it' : 'them'}, then start the job again`,
    );
  }
  // rank 0 listens on all its addresses, since MASTER_ADDR may be known only on the other machines
  if (rank === 0) {
    await store.set('pulse', String(await pulse.start(rank, '', 0, hangSeconds * 1000)));
  } else {
    await pulse.start(rank, masterAddr, Number(await store.get('pulse')), hangSeconds * 1000);
  }
  const address = await ownAddress(world);
  const options = { store, rank, size, timeoutSeconds, address, device };
  return ProcessGroup.create({ ...options, onClose: pulse.stop });
}

/**
 * In Kubernetes a pod's name gets an address when the pod starts, which may be later; anywhere else
 * a name without an address is a mistake.
 */
async function expectAddress(
  { rank, launcher, masterAddr }: WorldEnvironment,
  { timeoutMs, say }: { timeoutMs: number; say: (sentence: string) => void },
): Promise<void> {
  const startMs = performance.now();
  for (let tries = 0; ; tries++) {
    try {
      await lookup(masterAddr);
      return;
    } catch (cause) {
      const waits = launcher === 'Kubernetes' && performance.now() - startMs < timeoutMs;
      const problem = `MASTER_ADDR: the machine of rank 0, ${masterAddr}, has no address that rank ${rank} can find (${(cause as NodeJS.ErrnoException).code})`;
      if (!waits) {
        throw new InputError(`${problem}; correct the name, or give the address itself`, { cause });
      }
      if (tries === 0) say(`${problem} yet; trying for up to ${timeoutMs / 1000} s`);
    }
    await pause(1000);
  }
}

/** The ranks that have not joined yet, as text. */
async function others(store: Store, keys: readonly string[]): Promise<string> {
  const missing = await store.missing([...keys], 0).catch(() => []);
  return missing.length > 0 ? ranksOf(missing, keys.length) : 'the others';
}

const ranksOf = (ranks: readonly number[], size: number): string =>
  `${ranks.length === 1 ? 'rank' : 'ranks'} ${ranks.join(', ')} of ${size}`;

/** Waits, and reports what for after some seconds, then whenever the time has doubled. */
async function telling<T>(
  say: (sentence: string) => void,
  forWhat: () => Promise<string>,
  waiting: Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  const tellAfter = (pauseSeconds: number, seconds: number) => {
    timer = setTimeout(async () => {
      const what = await forWhat();
      if (over) return;
      say(`waiting for ${what}, ${seconds} s`);
      tellAfter(seconds, 2 * seconds);
    }, pauseSeconds * 1000);
  };
  tellAfter(QUIET_SECONDS, QUIET_SECONDS);
  try {
    return await waiting;
  } finally {
    over = true;
    clearTimeout(timer);
  }
}

async function meet(world: WorldEnvironment, timeoutMs: number): Promise<Store> {
  const { rank, masterAddr, masterPort, agentStore, attempt } = world;
  const serve = rank === 0 && !agentStore;
  try {
    const store = await Store.open(masterAddr, masterPort, { serve, timeoutMs });
    return store.under(`mfm/${attempt}/`);
  } catch (cause) {
    const problem = serve
      ? `could not listen on port ${masterPort}; it may be in use: set MASTER_PORT to another one, the same for all processes`
      : `could not reach rank 0 at ${masterAddr}:${masterPort} within ${timeoutMs / 1000} s; ${remedy(world, 'MASTER_ADDR and MASTER_PORT must be those of its machine, and the port open')}`;
    throw new DistributedError(`rank ${rank}: ${problem}`, { cause });
  }
}

/** torchrun's own store uses its PyTorch's protocol, which another LibTorch may not support. */
const remedy = ({ agentStore }: WorldEnvironment, usual: string): string =>
  agentStore
    ? "the store is torchrun's, whose PyTorch may differ in version from this LibTorch: set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 for torchrun"
    : usual;

/**
 * This machine's address as the other processes reach it: that of the interface towards rank 0. On
 * rank 0's own machine its name may resolve to the loopback address; then the first external
 * address.
 */
async function ownAddress(world: WorldEnvironment): Promise<string> {
  const { address: master } = await lookup(world.masterAddr);
  const address = await addressTowards(master, world.masterPort);
  const loopback = address.startsWith('127.') || address === '::1';
  if (!loopback || world.localWorldSize === world.worldSize) return address;
  const outside = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const usable = outside.filter(({ internal, address }) => !internal && !/^fe80:/i.test(address));
  return (usable.find(({ family }) => family === 'IPv4') ?? usable[0])?.address ?? address;
}

/**
 * The local address towards `host`. Nothing is sent: connecting a datagram socket selects the
 * route.
 */
function addressTowards(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    socket.on('error', reject);
    socket.connect(port, host, () => {
      const { address } = socket.address();
      socket.close(() => resolve(address));
    });
  });
}

/** A killed launcher cannot end its processes, so each watches it and then stops itself. */
function endWithLauncher(): void {
  const launcher = Number(process.env.MFM_LAUNCHER_PID);
  if (!launcher) return;
  const timer = setInterval(() => {
    if (process.ppid === launcher) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 1000);
  timer.unref();
}
