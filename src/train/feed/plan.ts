/**
 * Plans which samples go into a batch. Everything follows from the seed and the position, which is
 * a few counters.
 *
 * The items of a bucket form an endless sequence, one shuffle after another, which is cut into
 * batches without a remainder: the rest of an epoch begins the first batch of the next. An epoch of
 * a source consists of the batches of all its buckets that begin in it, shuffled.
 */
import { drawAll, drawWeighted, RandomStream, scattered } from '../../data/random.js';
import type { Stage } from '../recipe/config.js';
import { imageShareAt } from '../recipe/image-share.js';
import type { FeedPosition } from './batch.js';
import { bucketName } from './buckets.js';
import type { Bucket, Entry, SampleKind, SourceSet, StageSet } from './stage-set.js';

export interface PlannedBatch {
  kind: SampleKind;
  /** number of the batch */
  step: number;
  bucket: Bucket;
  /** all samples of the batch, over all processes */
  entries: Entry[];
  /** the position after this batch */
  position: FeedPosition;
}

export interface PlanOptions {
  stage: Pick<Stage, 'name' | 'imageShare' | 'mixAt'>;
  seed: number;
  position?: FeedPosition | null;
  /** the share of the stage that is over after this many batches, 0..1 */
  doneAt: (taken: number) => number;
}

/** The progress in a source's images or clips: the epoch, and the batches taken from it. */
type Taken = Record<string, [epoch: number, batches: number]>;

export class BatchPlan {
  private step: number;
  private readonly taken: Taken;
  private readonly epochs = new Map<string, { epoch: number; batches: EpochBatch[] }>();

  constructor(
    private readonly set: StageSet,
    private readonly options: PlanOptions,
  ) {
    const { position } = options;
    this.step = position?.step ?? 0;
    this.taken = structuredClone((position?.taken as Taken | undefined) ?? {});
  }

  next(): PlannedBatch {
    const { set, step } = this;
    const { stage, seed, doneAt } = this.options;
    const random = new RandomStream(seed, `${stage.name} batch ${step}`);
    const drawn = random.chance(imageShareAt(doneAt(step), stage)) ? 'image' : 'clip';
    // a set may hold only images, or only clips
    const kind = set[drawn].length > 0 ? drawn : drawn === 'image' ? 'clip' : 'image';
    const source = drawWeighted(random, set[kind]);
    const { bucket, batch } = this.take(kind, source);
    this.step++;
    return {
      kind,
      step,
      bucket,
      entries: this.entriesOf(kind, source, bucket, batch),
      position: { step: this.step, taken: structuredClone(this.taken) },
    };
  }

  /** The entries to try for a place in a batch: its own, then all others of the bucket. */
  *entriesFor({ step, bucket, entries }: PlannedBatch, index: number): Generator<Entry> {
    const own = entries[index]!;
    yield own;
    for (const entry of this.scatter(bucket, `instead ${step} ${index}`)) {
      if (entry !== own) yield entry;
    }
  }

  /**
   * The batches to try: the planned one, then, as nothing in its bucket can be read, one of each
   * other bucket, those of its kind first. The plan continues as if nothing had happened.
   */
  *batchesFor(planned: PlannedBatch): Generator<PlannedBatch> {
    yield planned;
    const { stage, seed } = this.options;
    const label = `batch instead of ${planned.step}`;
    const random = new RandomStream(seed, `${stage.name} ${label}`);
    for (const kind of planned.kind === 'image' ? KINDS : KINDS.toReversed()) {
      const buckets = this.set[kind].flatMap((source) => {
        const total = source.buckets.reduce((sum, { entries }) => sum + entries.length, 0);
        const weightOf = ({ entries }: Bucket) => (source.weight * entries.length) / total;
        return source.buckets.map((bucket) => ({ bucket, weight: weightOf(bucket) }));
      });
      for (const { bucket } of drawAll(random, buckets)) {
        if (bucket === planned.bucket) continue;
        const entries: Entry[] = [];
        while (entries.length < bucket.batchSize) {
          for (const entry of this.scatter(bucket, label)) {
            if (entries.push(entry) === bucket.batchSize) break;
          }
        }
        yield { ...planned, kind, bucket, entries };
      }
    }
  }

  /** The entries of a bucket, in a random order that follows from the label. */
  private *scatter({ entries }: Bucket, label: string): Generator<Entry> {
    const { stage, seed } = this.options;
    const random = new RandomStream(seed, `${stage.name} ${label}`);
    for (const place of scattered(random, entries.length)) yield entries[place]!;
  }

  private take(kind: SampleKind, source: SourceSet): EpochBatch {
    const name = `${kind} ${this.set[kind].indexOf(source)}`;
    let [epoch, batches] = this.taken[name] ?? [0, 0];
    let plan = this.epoch(name, source, epoch);
    // in a small set, no batch may begin in an epoch
    while (batches >= plan.length) {
      [epoch, batches] = [epoch + 1, 0];
      plan = this.epoch(name, source, epoch);
    }
    this.taken[name] = [epoch, batches + 1];
    return plan[batches]!;
  }

  private epoch(name: string, { buckets }: SourceSet, epoch: number): EpochBatch[] {
    const known = this.epochs.get(name);
    if (known?.epoch === epoch) return known.batches;
    const batches = buckets.flatMap((bucket) => {
      const { entries, batchSize } = bucket;
      const firstIn = (e: number) => Math.ceil((e * entries.length) / batchSize);
      const [first, end] = [firstIn(epoch), firstIn(epoch + 1)];
      return Array.from({ length: end - first }, (_, i) => ({ bucket, batch: first + i }));
    });
    const { seed, stage } = this.options;
    shuffle(batches, new RandomStream(seed, `${stage.name} ${name} epoch ${epoch}`));
    this.epochs.set(name, { epoch, batches });
    return batches;
  }

  private readonly orders = new Map<string, Uint32Array>();

  /** The entries of a bucket's batch with this number. */
  private entriesOf(kind: SampleKind, source: SourceSet, bucket: Bucket, batch: number): Entry[] {
    const { entries, batchSize, target } = bucket;
    const name = `${kind} ${this.set[kind].indexOf(source)} ${bucketName(target)}`;
    return Array.from({ length: batchSize }, (_, i) => {
      const place = batch * batchSize + i;
      const round = Math.floor(place / entries.length);
      const own = this.order(name, round, entries.length)[place % entries.length]!;
      return renewed(bucket, round, own);
    });
  }

  private order(name: string, round: number, count: number): Uint32Array {
    const key = `${name} round ${round}`;
    let order = this.orders.get(key);
    if (!order) {
      const { seed, stage } = this.options;
      order = Uint32Array.from({ length: count }, (_, i) => i);
      shuffle(order, new RandomStream(seed, `${stage.name} ${key}`));
      // an epoch touches at most two rounds of a bucket, whose batches come in any order
      if (this.orders.size >= MOST_ORDERS) this.orders.clear();
      this.orders.set(key, order);
    }
    return order;
  }
}

/** The entry at a place of a bucket in a round; in each round the window of samples moves on. */
function renewed({ entries, renewal }: Bucket, round: number, place: number): Entry {
  const number = renewal ? round * renewal.replaced + place : place;
  return number < entries.length
    ? entries[number]!
    : { ...entries[place]!, item: renewal!.at(number) };
}

interface EpochBatch {
  bucket: Bucket;
  batch: number;
}

const KINDS: readonly SampleKind[] = ['image', 'clip'];
const MOST_ORDERS = 1024;

/** Source: Fisher and Yates */
function shuffle<T>(items: { [place: number]: T; length: number }, random: RandomStream): void {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random.next() * (i + 1));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
}
