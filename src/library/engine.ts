/** What all results of an open pipeline share: its networks, which they use in turn. */
import { DisposedError } from '../errors.js';
import { type DepthModel, estimateDepth } from '../models/depth-anything/index.js';
import type { Planner } from '../pipeline/cost/planner.js';
import type { LoraUse, Pipeline } from '../pipeline/index.js';
import type { DepthEstimator } from '../tasks/index.js';

/** A LoRA as a result's settings name it; the hash tells it from one that was trained further. */
export interface LoraRecord extends LoraUse {
  sha256: string;
}

export interface EngineParts {
  pipeline: Pipeline;
  planner: Planner;
  depthModel: DepthModel | null;
  /** the pipeline's folder */
  folder: string;
  /** these options as they were asked for */
  asked: { dtype: string; device?: string; depthModel?: string };
  loras: readonly LoraRecord[];
}

export class Engine {
  readonly pipeline: Pipeline;
  readonly planner: Planner;
  readonly folder: string;
  readonly asked: EngineParts['asked'];
  readonly loras: readonly LoraRecord[];
  readonly depthModel: DepthModel | null;
  private readonly ending = new AbortController();
  private turn: Promise<unknown> = Promise.resolve();
  private readonly open = new Set<() => Promise<void>>();
  private readonly noted = new Set<string>();

  constructor({ pipeline, planner, depthModel, folder, asked, loras }: EngineParts) {
    this.pipeline = pipeline;
    this.planner = planner;
    this.depthModel = depthModel;
    this.folder = folder;
    this.asked = asked;
    this.loras = loras;
  }

  /** Aborts when the pipeline is disposed. */
  get disposed(): AbortSignal {
    return this.ending.signal;
  }

  get estimateDepth(): DepthEstimator | null {
    const { depthModel } = this;
    return depthModel && ((known) => estimateDepth(depthModel, known));
  }

  /** Runs work on the networks once all earlier work is done. @throws DisposedError */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.turn.then(() => {
      this.expectOpen();
      return work();
    });
    this.turn = mine.catch(() => {});
    return mine;
  }

  /** @throws DisposedError */
  expectOpen(): void {
    if (this.ending.signal.aborted) throw this.ending.signal.reason;
  }

  /** Is this sentence about the pipeline said for the first time? */
  isNews(sentence: string): boolean {
    if (this.noted.has(sentence)) return false;
    this.noted.add(sentence);
    return true;
  }

  /** Registers something to close when the pipeline is disposed, unless `forget` is called before. */
  closeLater(close: () => Promise<void>): void {
    this.open.add(close);
  }

  forget(close: () => Promise<void>): void {
    this.open.delete(close);
  }

  /** Stops running work after its current step, and frees the weights. */
  async dispose(): Promise<void> {
    if (this.ending.signal.aborted) return;
    const { folder } = this;
    this.ending.abort(new DisposedError(`${folder}: was disposed; open it again to make more`));
    await this.turn;
    for (const close of [...this.open]) await close();
    this.pipeline.dispose();
    this.depthModel?.network.dispose();
  }
}
