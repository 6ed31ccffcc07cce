/**
 * A fixed set of processes that exchange tensors by collectives. All of them must call the same
 * methods in the same order; a method ends when the collective is complete. A `start…` method
 * returns at once, and its `wait()` or `waitSync()` must be called exactly once; the work overlaps
 * with whatever happens before the wait. Tensors passed to it must not be touched until then.
 */
import { setTimeout } from 'node:timers/promises';
import { DistributedError, InputError, ShapeError } from '../errors.js';
import {
  CollectiveGroup,
  type DType,
  noGrad,
  type Pending,
  pulse,
  type ReduceOp,
  type Store,
  type Tensor,
  tensor,
  tidy,
} from '../tensor/index.js';

export type Work<T = void> = Pending<T>;
export type { ReduceOp };

export interface GroupOptions {
  store: Store;
  rank: number;
  size: number;
  /** how long a process waits for the others in each collective, default 600 */
  timeoutSeconds?: number;
  /** this machine's address, as the other processes reach it */
  address: string;
  /** device of the tensors; 'cuda' accepts tensors on GPUs and on the CPU; default 'cpu' */
  device?: 'cpu' | 'cuda';
  /** called once the group has been closed */
  onClose?: () => Promise<void>;
}

/** The longest pause between two checks for the other processes in `meet`. */
const LONGEST_PAUSE_MS = 250;

export class ProcessGroup {
  private members = 0;
  private meetings = 0;
  private broken: DistributedError | null = null;

  private constructor(
    private readonly collective: CollectiveGroup,
    private readonly options: Required<GroupOptions>,
  ) {}

  /** Returns once all `size` processes have called it. @throws DistributedError if one does not */
  static async create(options: GroupOptions): Promise<ProcessGroup> {
    const complete = {
      timeoutSeconds: 600,
      device: 'cpu' as const,
      onClose: async () => {},
      ...options,
    };
    const { store, rank, size, address, device } = complete;
    const gpu = device === 'cuda';
    const timeoutMs = Math.round(complete.timeoutSeconds * 1000);
    try {
      const made = await CollectiveGroup.create(store, { rank, size, timeoutMs, address, gpu });
      return new ProcessGroup(made, complete);
    } catch (cause) {
      if (cause instanceof InputError) throw cause;
      throw new DistributedError(
        `rank ${rank} of ${size} could not connect to the others (${pulse.lost() || reason(cause)}); a machine with several network interfaces needs GLOO_SOCKET_IFNAME`,
        { cause },
      );
    }
  }

  /** the backend for tensors on `device` */
  get backend(): 'gloo' | 'nccl' {
    return this.options.device === 'cuda' ? 'nccl' : 'gloo';
  }
  /** 0 … size − 1 */
  get rank(): number {
    return this.options.rank;
  }
  get size(): number {
    return this.options.size;
  }

  /** Sums (or min, max) each tensor over all ranks, in place. 16-bit floats are summed in float32. */
  allReduce(tensors: readonly Tensor[], op: ReduceOp = 'sum'): Promise<void> {
    return this.startAllReduce(tensors, op).wait();
  }
  allReduceSync(tensors: readonly Tensor[], op: ReduceOp = 'sum'): void {
    this.startAllReduce(tensors, op).waitSync();
  }
  startAllReduce(tensors: readonly Tensor[], op: ReduceOp = 'sum'): Work {
    return this.guard('allReduce', () =>
      all(
        tensors
          .filter(({ numel }) => numel > 0)
          .map((target) => inPlace(target, true, (wide) => this.collective.allReduce(wide, op))),
      ),
    );
  }

  /** The root's tensor becomes the sum over all ranks; the others' are undefined afterwards. */
  reduce(target: Tensor, root: number, op: ReduceOp = 'sum'): Promise<void> {
    return this.startReduce(target, root, op).wait();
  }
  startReduce(target: Tensor, root: number, op: ReduceOp = 'sum'): Work {
    this.expectRank('reduce', root);
    return this.guard('reduce', () =>
      inPlace(target, true, (wide) => this.collective.reduce(wide, op, root)),
    );
  }

  /** Every rank's tensor becomes the root's, in place. Any dtype. */
  broadcast(target: Tensor, root = 0): Promise<void> {
    return this.startBroadcast(target, root).wait();
  }
  startBroadcast(target: Tensor, root = 0): Work {
    this.expectRank('broadcast', root);
    return this.guard('broadcast', () =>
      inPlace(target, false, (plain) => this.collective.broadcast(plain, root)),
    );
  }

  /** […] → [size, …] by rank; all ranks must pass the same shape and dtype; any dtype. */
  allGather(part: Tensor): Promise<Tensor> {
    return this.startAllGather(part).wait();
  }
  allGatherSync(part: Tensor): Tensor {
    return this.startAllGather(part).waitSync();
  }
  startAllGather(part: Tensor): Work<Tensor> {
    return this.guard('allGather', () =>
      aside(part, (usable) => this.collective.allGather(usable)),
    );
  }

  /**
   * [size · n, …] → [size · n, …]: rows i · n … of the input go to rank i, and those rows of the
   * result came from rank i. Any dtype.
   * @throws ShapeError unless dimension 0 is a multiple of the group's size
   */
  allToAll(parts: Tensor): Promise<Tensor> {
    return this.startAllToAll(parts).wait();
  }
  allToAllSync(parts: Tensor): Tensor {
    return this.startAllToAll(parts).waitSync();
  }
  startAllToAll(parts: Tensor): Work<Tensor> {
    this.expectParts('allToAll', parts);
    return this.guard('allToAll', () => aside(parts, (usable) => this.collective.allToAll(usable)));
  }

  /**
   * [size · n, …] → [n, …]: this rank's rows, summed over all ranks in rank order. 16-bit floats
   * are summed in float32 and rounded once.
   * @throws ShapeError unless dimension 0 is a multiple of the group's size
   */
  reduceScatter(parts: Tensor): Promise<Tensor> {
    return this.startReduceScatter(parts).wait();
  }
  startReduceScatter(parts: Tensor): Work<Tensor> {
    this.expectParts('reduceScatter', parts);
    const { dtype, shape } = parts;
    const rows = [this.size, shape[0]! / this.size, ...shape.slice(1)];
    return this.guard('reduceScatter', () =>
      after(
        aside(parts, (usable) => this.collective.allToAll(usable)),
        (received) =>
          tidy(() => {
            const sum = received
              .view(rows)
              .sum(0, false, { dtype: wideOf(dtype) })
              .to(dtype);
            received.dispose();
            return sum;
          }),
      ),
    );
  }

  /** Ends when all ranks have called it. */
  barrier(): Promise<void> {
    return this.guard('barrier', () => this.collective.barrier()).wait();
  }

  /**
   * A barrier without a time limit: ends when all ranks have called it, however long one takes, as
   * long as it is alive. For work that may take longer than the timeout of collectives.
   */
  async meet(): Promise<void> {
    if (this.broken) throw this.broken;
    const { store, rank, size } = this.options;
    const all = `meeting/${this.meetings++}`;
    const each = [...Array(size).keys()].map((other) => `${all}/${other}`);
    try {
      if (rank > 0) await store.set(each[rank]!, '1');
      await this.allSet(rank > 0 ? [all] : each.slice(1));
      if (rank === 0) await store.set(all, '1');
    } catch (cause) {
      await pulse.awaitLost(); // the store may fail before the end of its process is noticed
      throw this.fail('meet', cause);
    }
  }

  /** Every rank's value, by rank; any JSON value of any length. */
  async shareJson<T>(value: T): Promise<T[]> {
    const bytes = new TextEncoder().encode(JSON.stringify(value ?? null));
    const lengths = await this.gathered(tensor([bytes.length], { dtype: 'int64' }));
    const sizes = [...(lengths as BigInt64Array)].map(Number);
    const room = Math.max(...sizes);
    const padded = new Uint8Array(room);
    padded.set(bytes);
    const texts = (await this.gathered(tensor(padded))) as Uint8Array;
    return sizes.map((size, rank) =>
      JSON.parse(new TextDecoder().decode(texts.subarray(rank * room, rank * room + size))),
    );
  }

  /**
   * A group of some of this group's ranks, renumbered in the order given. Each of them must call
   * it; the others must not.
   * @throws InputError if `ranks` lacks this process
   */
  async subgroup(ranks: readonly number[]): Promise<ProcessGroup> {
    const rank = ranks.indexOf(this.rank);
    for (const member of ranks) this.expectRank('subgroup', member);
    if (rank < 0 || new Set(ranks).size < ranks.length) {
      throw new InputError(
        `subgroup: must contain this rank (${this.rank}) and no rank twice, got [${ranks.join(', ')}]`,
      );
    }
    // the counter agrees among the members, since they create their common groups in the same order
    const store = this.options.store.under(`${ranks.join('-')}/${this.members++}/`);
    const { timeoutSeconds, address, device } = this.options;
    const size = ranks.length;
    return ProcessGroup.create({ store, rank, size, timeoutSeconds, address, device });
  }

  /** Leaves the group together with the other processes; after a failure, at once. */
  async close(): Promise<void> {
    try {
      if (!this.broken) await this.barrier();
    } finally {
      await this.collective.close({ broken: this.broken !== null });
      this.options.store.close();
      await this.options.onClose();
    }
  }

  private async gathered(part: Tensor) {
    const all = await this.allGather(part);
    const array = all.toArray();
    all.dispose();
    part.dispose();
    return array;
  }

  /** Waits until keys of the store are set. @throws if a process is lost meanwhile */
  private async allSet(keys: readonly string[]): Promise<void> {
    for (let pauseMs = 5; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      if ((await this.options.store.missing(keys, 0)).length === 0) return;
      if (pulse.lost()) throw new Error(pulse.lost());
      await setTimeout(pauseMs);
    }
  }

  /** Starts work; its failure becomes an error that names this rank and the collective. */
  private guard<T>(name: string, start: () => Work<T>): Work<T> {
    if (this.broken) throw this.broken;
    const work = start();
    return {
      wait: () =>
        work.wait().catch((cause: unknown) => {
          throw this.fail(name, cause);
        }),
      waitSync: () => {
        try {
          return work.waitSync();
        } catch (cause) {
          throw this.fail(name, cause);
        }
      },
    };
  }

  private fail(name: string, cause: unknown): DistributedError {
    const where = `rank ${this.rank} of ${this.size}, ${name}`;
    const lost = pulse.lost();
    this.broken ??= new DistributedError(
      lost
        ? `${lost} (noticed by ${where})`
        : `${where}: communication with the other processes failed (${reason(cause)})`,
      { cause },
    );
    return this.broken;
  }

  private expectRank(name: string, rank: number): void {
    if (Number.isInteger(rank) && rank >= 0 && rank < this.size) return;
    throw new InputError(`${name}: rank must be 0 … ${this.size - 1}, got ${rank}`);
  }

  private expectParts(name: string, parts: Tensor): void {
    const { shape } = parts;
    if (shape.length > 0 && shape[0]! % this.size === 0) return;
    throw new ShapeError(
      `${name}: dimension 0 must be a multiple of the ${this.size} processes, got [${shape.join(', ')}]`,
    );
  }
}

/** The dtype in which values of a dtype are summed. */
function wideOf(dtype: DType): DType {
  if (dtype === 'float16' || dtype === 'bfloat16') return 'float32';
  return dtype === 'float32' || dtype === 'float64' ? dtype : 'int64';
}

const reason = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).replace(/^\w+: /, '');

/** Do collectives take tensors of the device? Those of others go by the CPU. */
const isCarried = (device: string): boolean => device === 'cpu' || device.startsWith('cuda');

/** Runs `start` on `part` itself or, on a device that no collective takes, on a copy; the result is on it. */
function aside(part: Tensor, start: (usable: Tensor) => Work<Tensor>): Work<Tensor> {
  const { device } = part;
  if (isCarried(device)) return start(part);
  const copy = tidy(() => part.detach().to('cpu').keep());
  return after(start(copy), (received) => {
    copy.dispose();
    const there = received.to(device);
    received.dispose();
    return there;
  });
}

/**
 * Runs `start` on `target` itself or, if the collective cannot take it, on a copy that is written
 * back at the end. `sums`: the collective does arithmetic, so 16-bit floats are sent as float32.
 */
function inPlace(target: Tensor, sums: boolean, start: (usable: Tensor) => Work): Work {
  const dtype = sums ? wideOf(target.dtype) : target.dtype;
  const { device } = target;
  const usable = isCarried(device);
  if (target.isContiguous && target.dtype === dtype && usable) return start(target);
  const copy = tidy(() =>
    target
      .detach()
      .to(usable ? device : 'cpu')
      .to(dtype)
      .contiguous()
      .keep(),
  );
  return after(start(copy), () => {
    noGrad(() => tidy(() => void target.detach().copy_(copy)));
    copy.dispose();
  });
}

/** Combines several works into one; all of them end before the first error is thrown. */
function all(works: Work[]): Work {
  return {
    wait: async () => {
      const ends = await Promise.allSettled(works.map((work) => work.wait()));
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    },
    waitSync: () => {
      for (const work of works) work.waitSync();
    },
  };
}

function after<T, R>(work: Work<T>, finish: (value: T) => R): Work<R> {
  return {
    wait: () => work.wait().then(finish),
    waitSync: () => finish(work.waitSync()),
  };
}
