/** A training in progress: iterate over its events, await its outcome. */
import { InputError } from '../errors.js';
import type { TrainEvent } from './train-event.js';

/** The outcome of a training. */
export type TrainOutcome =
  /**
   * `pipeline` is the folder of the result: a pipeline or, of a recipe that trains a depth model
   * alone, that
   */
  | { finished: true; run: string; pipeline: string }
  /** it was stopped: a checkpoint is saved, from which `resume: true` continues */
  | { finished: false; run: string; pipeline: null };

export interface TrainingHooks {
  signal: AbortSignal;
  emit(event: TrainEvent): void;
  /** called when the run is open: from then on, a stop saves a checkpoint */
  opened(folder: string): void;
}

/**
 * A training, which begins at once. Await it for its outcome, or iterate over its events until it
 * ends; leaving the loop early stops the training, which first saves a checkpoint. Both throw its
 * errors.
 */
export class Training implements PromiseLike<TrainOutcome>, AsyncIterable<TrainEvent> {
  /** The folder of the run, once it is open; never rejects. */
  readonly opened: Promise<string>;
  private readonly outcome: Promise<TrainOutcome>;
  private readonly controller = new AbortController();
  /** events that the iterating loop has not taken yet; null if there is no loop */
  private queue: TrainEvent[] | null = null;
  private ended = false;
  private wake: () => void = () => {};

  constructor(
    work: (hooks: TrainingHooks) => Promise<TrainOutcome>,
    { signal, onEvent }: { signal?: AbortSignal; onEvent?: (event: TrainEvent) => void } = {},
  ) {
    const abort = () => this.controller.abort(); // without the reason, which may be a time limit
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
    // starts in a later microtask, so that a loop that begins right away sees every event
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

  /** The events from now on. @throws InputError if called a second time */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent, void, void> {
    if (this.queue) throw new InputError('train: its events can be iterated over only once');
    this.queue = [];
    this.outcome.catch(() => {}); // the end of the loop throws it
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
    // a slow reader needs only the newest progress
    if (event.type === 'progress' && queue.at(-1)?.type === 'progress') queue.pop();
    queue.push(event);
    this.wake();
  }
}
