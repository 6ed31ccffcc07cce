/**
 * LibTorch's c10d: the store through which processes find each other, and its collectives.
 * `src/distributed` builds on this what the rest of the program uses.
 */
import { InputError } from '../errors.js';
import { SETUP } from '../files/addon.js';
import { operator, wrap } from './dispatch.js';
import { native } from './native.js';
import { empty } from './ops.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

export type ReduceOp = 'sum' | 'min' | 'max';

/** A collective that has been started. Wait for each exactly once, in either way. */
export interface Pending<T> {
  wait(): Promise<T>;
  /** Blocks JavaScript: for code that must be synchronous, such as a backward pass. */
  waitSync(): T;
}

/** A key-value store that all processes of a job share; it lives in the process that serves it. */
export class Store {
  private constructor(
    readonly id: number,
    /** the port on which it is served */
    readonly port: number,
  ) {}

  /**
   * Serves a store on `port` of this machine (0: any free one), or connects to the one at `host`.
   * @throws OperatorError if the port is taken, or nothing answers within the timeout
   */
  static async open(
    host: string,
    port: number,
    { serve, timeoutMs }: { serve: boolean; timeoutMs: number },
  ): Promise<Store> {
    expectGroups();
    const [id, served] = await native.openStore(host, port, serve, timeoutMs);
    return new Store(id, served);
  }

  /** The same store with `prefix` before every key. */
  under(prefix: string): Store {
    return new Store(native.storeUnder(this.id, prefix), this.port);
  }

  set(key: string, text: string): Promise<void> {
    return native.storeSet(this.id, key, text);
  }

  /** The value of `key`; waits until some process has set it. */
  get(key: string): Promise<string> {
    return native.storeGet(this.id, key);
  }

  /** Waits until all `keys` are set; returns the indices of those still unset after the timeout. */
  missing(keys: readonly string[], timeoutMs: number): Promise<number[]> {
    return native.storeMissing(this.id, [...keys], timeoutMs);
  }

  /** Drops this reference; the store itself ends with the last group that was created with it. */
  close(): void {
    native.closeStore(this.id);
  }
}

/** One process's membership in a fixed set; all members make the same calls in the same order. */
export class CollectiveGroup {
  private constructor(
    private readonly id: number,
    readonly size: number,
  ) {}

  /**
   * @param options.address this machine's address, as the other processes reach it
   * @param options.gpu     whether it also takes tensors on NVIDIA GPUs, through NCCL
   * @throws InputError if the addon was built without NCCL
   */
  static async create(
    store: Store,
    options: { rank: number; size: number; timeoutMs: number; address: string; gpu: boolean },
  ): Promise<CollectiveGroup> {
    const { rank, size, timeoutMs, address, gpu } = options;
    if (gpu) expectNccl();
    const id = await native.createGroup(store.id, rank, size, timeoutMs, address, gpu);
    return new CollectiveGroup(id, size);
  }

  /** Was the addon built with NCCL? */
  static hasNccl(): boolean {
    return native.groupSupport()[1] === 1;
  }

  /** In place; contiguous, in a dtype of 32 or 64 bits. */
  allReduce(tensor: Tensor, op: ReduceOp): Pending<void> {
    return endOf(native.startAllReduce(this.id, tensor.handle, op));
  }

  /** As `allReduce`, but only the root's tensor holds the result; the others' are then undefined. */
  reduce(tensor: Tensor, op: ReduceOp, root: number): Pending<void> {
    return endOf(native.startReduce(this.id, tensor.handle, op, root));
  }

  /** In place; contiguous, any dtype. */
  broadcast(tensor: Tensor, root: number): Pending<void> {
    return endOf(native.startBroadcast(this.id, tensor.handle, root));
  }

  /** […] → [size, …], any dtype */
  allGather(tensor: Tensor): Pending<Tensor> {
    return tidy(() => {
      const input = tensor.contiguous();
      const output = emptyFor(tensor, [this.size, ...tensor.shape]);
      return tensorFrom(native.startAllGather(this.id, output.handle, input.handle), output);
    });
  }

  /** Part i of dimension 0 goes to rank i; part i of the result came from rank i. Any dtype. */
  allToAll(tensor: Tensor): Pending<Tensor> {
    return tidy(() => {
      const input = tensor.contiguous();
      const output = emptyFor(tensor, tensor.shape);
      return tensorFrom(native.startAllToAll(this.id, output.handle, input.handle), output);
    });
  }

  barrier(): Pending<void> {
    return endOf(native.startBarrier(this.id));
  }

  /** @param broken after a failure: the group is abandoned, since closing it could block forever */
  close({ broken }: { broken: boolean }): Promise<void> {
    return native.closeGroup(this.id, broken);
  }
}

/** Detects processes of the job that died or hang, on a thread that no long call can block. */
export const pulse = {
  /** @param port the port of rank 0's pulse; rank 0 itself opens it. @returns that port */
  start: (rank: number, host: string, port: number, limitMs: number): Promise<number> =>
    native.startPulse(rank, host, port, Math.round(limitMs)),
  /** Leaves in an orderly way: the others will not report this process as lost. */
  stop: (): Promise<void> => native.stopPulse(),
  /** A sentence on which rank was lost, and how; '' as long as none is. */
  lost: (): string => native.lostPeer(),
  /** The same once it is known, as connections may break before; '' if no rank is lost. */
  awaitLost: (): Promise<string> => native.awaitLostPeer(),
};

const received = operator('received');

/** An output that outlives every scope until it is handed to the caller that waits for it. */
const emptyFor = ({ dtype, device }: Tensor, shape: number[]): Tensor =>
  empty(shape, { dtype, device }).keep();

/** Hands `output` to the caller that waits; the scope in which it waits then owns the tensor. */
function tensorFrom(work: number, output: Tensor): Pending<Tensor> {
  const handOver = () => wrap(output.release(), received);
  const drop = (cause: unknown): never => {
    output.dispose();
    throw cause;
  };
  return {
    wait: () => native.waitAside(work).then(handOver, drop),
    waitSync: () => {
      try {
        native.waitNow(work);
      } catch (cause) {
        drop(cause);
      }
      return handOver();
    },
  };
}

const endOf = (work: number): Pending<void> => ({
  wait: () => native.waitAside(work),
  waitSync: () => native.waitNow(work),
});

function expectGroups(): void {
  if (native.groupSupport()[0]) return;
  throw new InputError(
    `several processes: LibTorch ${native.version()} was built without c10d and Gloo; install one with them (\`apt install libtorch-dev\` or \`pip install torch\`) and run \`${SETUP}\``,
  );
}

function expectNccl(): void {
  if (CollectiveGroup.hasNccl()) return;
  throw new InputError(
    `several GPUs: the addon was built without NCCL; install a LibTorch with CUDA and the headers of CUDA and NCCL (\`pip install torch\` brings them), then run \`${SETUP}\``,
  );
}
