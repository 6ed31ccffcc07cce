/** A training under way: its events to iterate over, and its outcome to await. */
import { InputError } from '../errors.js';
import type { TrainEvent } from './train-event.js';

/** What a training has come to. */
export type TrainOutcome =
  /** `pipeline` is the folder of the result */
  | { finished: true; run: string; pipeline: string }
  /** it was stopped: a checkpoint is saved, and `resume: true` goes on from there */
  | { finished: false; run: string; pipeline: null };

export interface TrainingHooks {
  signal: AbortSignal;
  emit(event: TrainEvent): void;
  /** the run is open: from now on a stop saves a checkpoint */
  opened(folder: string): void;
}

/**
 * Begins at once. Await it for its outcome, or iterate over its events, which ends with it; leaving
 * the loop early stops the training, after it has saved a checkpoint. What fails is thrown by both.
 */
export class Training implements PromiseLike<TrainOutcome>, AsyncIterable<TrainEvent> {
  /** The folder of the run, once it is open; never rejects. */
  readonly opened: Promise<string>;
  private readonly outcome: Promise<TrainOutcome>;
  private readonly controller = new AbortController();
  /** events that wait for whoever iterates; null: nobody does */
  private queue: TrainEvent[] | null = null;
  private ended = false;
  private wake: () => void = () => {};

  constructor(
    work: (hooks: TrainingHooks) => Promise<TrainOutcome>,
    { signal, onEvent }: { signal?: AbortSignal; onEvent?: (event: TrainEvent) => void } = {},
  ) {
    const abort = () => this.controller.abort(); // without its reason, which may be a time limit
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    let opened: (folder: string) => void = () => {};
    this.opened = new Promise((resolve) => {
      opened = resolve;
    });
    const emit = (event: TrainEvent) => {
      onEvent?.(event);
      this.push(event);
    };
    // whoever iterates right away sees everything
    this.outcome = Promise.resolve()
      .then(() => work({ signal: this.controller.signal, emit, opened }))
      .finally(() => {
        signal?.removeEventListener('abort', abort);
        this.ended = true;
        this.wake();
      });
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting a training gives its outcome
  then<A = TrainOutcome, B = never>(
    onFulfilled?: ((outcome: TrainOutcome) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.outcome.then(onFulfilled, onRejected);
  }

  /** The events from now on. @throws InputError at a second time */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent, void, void> {
    if (this.queue) throw new InputError('train: its events can be iterated over once');
    this.queue = [];
    this.outcome.catch(() => {}); // thrown at the end of the loop
    try {
      for (;;) {
        for (let event = this.queue.shift(); event; event = this.queue.shift()) yield event;
        if (this.ended) break;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      this.controller.abort();
      await this.outcome;
    }
  }

  private push(event: TrainEvent): void {
    const { queue } = this;
    if (!queue) return;
    // for a slow reader the newest progress is enough
    if (event.type === 'progress' && queue.at(-1)?.type === 'progress') queue.pop();
    queue.push(event);
    this.wake();
  }
}
