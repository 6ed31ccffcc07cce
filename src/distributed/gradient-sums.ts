/**
 * Sums gradients over the processes of a group, in float32, while the backward pass computes them.
 * They are sent in buckets, in the order in which the first backward pass produced them. A bucket
 * is sent when its gradients are complete and all earlier buckets have been sent, so all processes
 * use the same order, whatever each of them computes.
 */
import { cat, empty, noGrad, onGradient, type Tensor, tidy } from '../tensor/index.js';
import { type Bucket, bucketsOf, type Part } from './buckets.js';
import type { CostMeter } from './cost.js';
import type { ProcessGroup, Work } from './process-group.js';
import { allReduceBytes, reduceBytes } from './traffic.js';
import { WideSums } from './wide-sums.js';

export interface SumOptions {
  /** by parameter, the rank that gets its gradient; null: all processes */
  owners: readonly number[] | null;
  bucketBytes: number;
  /** frees gradients owned by other processes as soon as they are delivered, not in `clear` */
  freeEarly: boolean;
  meter: CostMeter;
}

/** A part of a bucket in flight: its gradients in sequence, then a flag for each: is it present? */
interface Parcel {
  part: Part;
  buffer: Tensor;
  work: Work | null;
}

/** The most buckets in flight with `freeEarly`, to limit memory. */
const IN_FLIGHT = 4;
const FLOAT_BYTES = 4;

export class GradientSums {
  private readonly names: string[];
  private readonly parameters: Tensor[];
  private readonly sizes: number[];
  private readonly unhook: () => void;
  /** of the step's earlier micro-batches; with `freeEarly` they stay with autograd, in half the memory */
  private readonly before: WideSums;
  /** parameters in the order in which their gradients were last ready in the first backward pass */
  private readonly arrived = new Set<number>();
  /** null until a backward pass has shown the order */
  private buckets: Bucket[] | null = null;
  /** whether buckets are sent during the backward pass */
  private eager = true;
  /** by parameter: where its gradient goes */
  private places: { bucket: number; part: number; offset: number }[] = [];

  // state of the current step
  private listening = false;
  /** has part of a gradient come after its bucket was sent? */
  hasLate = false;
  private parcels: (Parcel[] | null)[] = [];
  private missing: number[] = [];
  private readonly taken = new Set<number>();
  /** the bucket to send next */
  private next = 0;
  private firstUnfinished = 0;
  /** tensors allocated in this step */
  private held: Tensor[] = [];

  constructor(
    private readonly group: ProcessGroup,
    parameters: ReadonlyMap<string, Tensor>,
    private readonly options: SumOptions,
  ) {
    this.names = [...parameters.keys()];
    this.parameters = [...parameters.values()];
    this.sizes = this.parameters.map(({ numel }) => numel);
    this.before = new WideSums(this.parameters);
    this.unhook = onGradient(this.parameters, (index) => this.ready(index));
  }

  /** Runs the backward pass of a micro-batch; see `ParallelOptimizer`. */
  backward(loss: Tensor | null, last: boolean): void {
    this.listening = last;
    try {
      loss?.backward();
    } finally {
      this.listening = false;
    }
    if (last && this.buckets) this.sendRest();
  }

  /**
   * The summed gradients by parameter name, for the parameters that this process owns and that have
   * a gradient in any process. They live until `clear`.
   */
  async finish(): Promise<Map<string, Tensor>> {
    if (!this.buckets) {
      if (!(await this.layOut())) return new Map();
      this.sendRest();
    }
    const delivered: Parcel[] = [];
    for (const [bucket, parcels] of this.parcels.entries()) {
      for (const parcel of parcels ?? []) {
        if (parcel.work) await this.options.meter.waitFor(parcel.work.wait());
        parcel.work = null;
        if (this.isOwn(parcel.part)) delivered.push(parcel);
      }
      if (this.options.freeEarly) this.freeForeign(bucket);
    }
    return this.opened(delivered);
  }

  /**
   * Called if any process `hasLate`: adds the late gradients to `sums`. This happens at most once,
   * since from then on buckets are sent only after the backward pass. Gradients come late for a
   * parameter used in several checkpointed parts of the network, as each adds to its gradient.
   */
  async finishLate(sums: ReadonlyMap<string, Tensor>): Promise<void> {
    this.eager = false;
    this.startStep();
    this.sendRest();
    for (const [name, late] of await this.finish()) sums.get(name)!.add_(late);
  }

  /** Drops the step's gradients. */
  clear(): void {
    for (const tensor of this.held.splice(0)) tensor.dispose();
    for (const parameter of this.parameters) parameter.grad = null;
    this.before.clear();
    this.startStep();
  }

  dispose(): void {
    this.clear();
    this.unhook();
  }

  /** Called when a parameter's gradient has been accumulated. */
  private ready(index: number): void {
    if (!this.listening && !this.options.freeEarly) this.before.add(index);
    if (!this.listening || !this.eager) return;
    if (!this.buckets) {
      this.arrived.delete(index);
      this.arrived.add(index);
      return;
    }
    const { bucket } = this.places[index]!;
    if (bucket < this.next) {
      this.hasLate = true; // the gradient stays in the parameter
      return;
    }
    const isNew = !this.taken.has(index);
    this.pack(index);
    if (isNew) this.missing[bucket]! -= 1;
    while (this.missing[this.next] === 0) this.send();
  }

  /** Moves a parameter's gradient into its bucket. */
  private pack(index: number): void {
    const place = this.places[index]!;
    const size = this.sizes[index]!;
    noGrad(() =>
      tidy(() => {
        const parameter = this.parameters[index]!;
        const { buffer, part } = this.parcelsOf(place.bucket)[place.part]!;
        const target = buffer.narrow(0, place.offset, size).view(parameter.shape);
        for (const gradient of [this.before.get(index), parameter.grad]) {
          if (!gradient) continue;
          if (this.taken.has(index)) target.add_(gradient);
          else target.copy_(gradient);
          this.taken.add(index);
        }
        this.before.drop(index);
        parameter.grad = null;
        const flag = this.flagsAt(part) + part.members.indexOf(index);
        buffer.narrow(0, flag, 1).fill_(1);
      }),
    );
  }

  /** Packs gradients that the last micro-batch did not touch, and sends all remaining buckets. */
  private sendRest(): void {
    for (const [index, parameter] of this.parameters.entries()) {
      if (this.places[index]!.bucket < this.next) continue;
      const isThere = this.before.has(index) || tidy(() => parameter.grad !== null);
      if (isThere) this.pack(index);
    }
    while (this.next < this.buckets!.length) this.send();
  }

  /** Sends the next bucket; missing gradients count as zeros. */
  private send(): void {
    const { group, options } = this;
    const bucket = this.next++;
    for (const parcel of this.parcelsOf(bucket)) {
      const { part, buffer } = parcel;
      noGrad(() => tidy(() => this.zeroMissing(part, buffer)));
      const bytes = buffer.numel * FLOAT_BYTES;
      if (part.owner === null) {
        parcel.work = group.startAllReduce([buffer]);
        options.meter.add(allReduceBytes(group.size, bytes));
      } else {
        parcel.work = group.startReduce(buffer, part.owner);
        options.meter.add(reduceBytes(group.size, bytes));
      }
    }
    if (options.freeEarly && this.next - this.firstUnfinished > IN_FLIGHT) {
      const first = this.firstUnfinished;
      for (const parcel of this.parcels[first]!) {
        options.meter.waitForSync(() => parcel.work!.waitSync());
        parcel.work = null;
      }
      this.freeForeign(first);
    }
  }

  private zeroMissing({ members }: Part, buffer: Tensor): void {
    for (const [i, index] of members.entries()) {
      if (this.taken.has(index)) continue;
      buffer.narrow(0, this.places[index]!.offset, this.sizes[index]!).zero_();
      buffer.narrow(0, this.flagsAt({ members }) + i, 1).zero_();
    }
  }

  /** The gradients of delivered parts, by name; their flags are read all at once. */
  private opened(parcels: readonly Parcel[]): Map<string, Tensor> {
    const sums = new Map<string, Tensor>();
    if (parcels.length === 0) return sums;
    tidy(() => {
      const flags = parcels.map(({ part, buffer }) =>
        buffer.narrow(0, this.flagsAt(part), part.members.length),
      );
      const processes = cat(flags).toFloat32Array();
      let flag = 0;
      for (const { part, buffer } of parcels) {
        for (const index of part.members) {
          if (processes[flag++] === 0) continue;
          const values = buffer.narrow(0, this.places[index]!.offset, this.sizes[index]!);
          const view = values.view(this.parameters[index]!.shape).keep();
          this.held.push(view);
          sums.set(this.names[index]!, view);
        }
      }
    });
    return sums;
  }

  private freeForeign(bucket: number): void {
    for (const { part, buffer } of this.parcels[bucket] ?? []) {
      if (!this.isOwn(part)) buffer.dispose();
    }
    this.firstUnfinished = Math.max(this.firstUnfinished, bucket + 1);
  }

  /** Builds buckets: all processes adopt the order of one. False if no process has a gradient. */
  private async layOut(): Promise<boolean> {
    const { owners, bucketBytes, meter } = this.options;
    const orders = await meter.waitFor(this.group.shareJson([...this.arrived]));
    const seen = orders.find(({ length }) => length > 0);
    if (!seen) return false;
    const without = this.sizes.map((_, i) => i).filter((i) => !seen.includes(i));
    const bucketElements = Math.max(1, Math.floor(bucketBytes / FLOAT_BYTES));
    this.buckets = bucketsOf([...seen, ...without], this.sizes, { owners, bucketElements });
    for (const [bucket, parts] of this.buckets.entries()) {
      for (const [part, { members }] of parts.entries()) {
        let offset = 0;
        for (const index of members) {
          this.places[index] = { bucket, part, offset };
          offset += this.sizes[index]!;
        }
      }
    }
    this.startStep();
    return true;
  }

  private startStep(): void {
    const buckets = this.buckets ?? [];
    this.parcels = buckets.map(() => null);
    this.missing = buckets.map((parts) =>
      parts.reduce((sum, { members }) => sum + members.length, 0),
    );
    this.taken.clear();
    this.hasLate = false;
    this.next = 0;
    this.firstUnfinished = 0;
  }

  /** The bucket's buffers, allocated on first use. */
  private parcelsOf(bucket: number): Parcel[] {
    const { device } = this.parameters[0]!;
    this.parcels[bucket] ??= this.buckets![bucket]!.map((part) => {
      const length = this.flagsAt(part) + part.members.length;
      const buffer = empty([length], { dtype: 'float32', device }).keep();
      this.held.push(buffer);
      return { part, buffer, work: null };
    });
    return this.parcels[bucket]!;
  }

  private flagsAt({ members }: Pick<Part, 'members'>): number {
    return members.reduce((sum, index) => sum + this.sizes[index]!, 0);
  }

  private isOwn({ owner }: Part): boolean {
    return owner === null || owner === this.group.rank;
  }
}
