/** How long a job was in each stage, whether or not it came to its end. */
import type { JobLive } from './job.js';

/** `queued` is the time until it began. */
export type TimedStage = 'queued' | JobLive['stage'];

export class StageClock {
  private readonly spent = new Map<TimedStage, number>();
  private sinceMs = performance.now();

  constructor(private stage: JobLive['stage']) {}

  /** Stages come again in each window. */
  enter(stage: JobLive['stage']): void {
    if (stage === this.stage) return;
    this.leave();
    this.stage = stage;
  }

  /** @returns seconds in each stage that there was, up to now */
  end(): ReadonlyMap<TimedStage, number> {
    this.leave();
    return this.spent;
  }

  private leave(): void {
    const nowMs = performance.now();
    const seconds = (nowMs - this.sinceMs) / 1000;
    this.spent.set(this.stage, (this.spent.get(this.stage) ?? 0) + seconds);
    this.sinceMs = nowMs;
  }
}
