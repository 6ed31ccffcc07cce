/** Progress events for a program. */
import type { OnProgress, Phase } from '../pipeline/progress.js';
import type { ProgressEvent } from './request.js';

/** Progress of one result; estimates the time left from the current phase and the windows so far. */
export class ResultProgress {
  private window = 0;
  private windows: number | null = 1;
  private phase: Phase | null = null;
  private phaseMs = 0;
  private windowMs = 0;
  /** time taken by finished windows */
  private doneMs = 0;

  constructor(
    private readonly onProgress: (event: ProgressEvent) => void,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Called when a window begins. */
  readonly onWindow = (index: number, windows: number | null): void => {
    const now = this.now();
    if (index > 0) this.doneMs += now - this.windowMs;
    this.window = index;
    this.windows = windows;
    this.windowMs = now;
    this.phase = null;
  };

  readonly update: OnProgress = (phase, step, steps) => {
    if (phase !== this.phase) this.phaseMs = this.now();
    this.phase = phase;
    const { window, windows } = this;
    this.onProgress({ phase, step, steps, window, windows, etaMs: this.etaMs(step, steps) });
  };

  /** The rest of this window, and the windows that follow, at the average of those so far. */
  private etaMs(step: number, steps: number): number | null {
    const { window, windows } = this;
    if (windows === null || (step === 0 && window === 0)) return null;
    const now = this.now();
    const phaseLeft = step === 0 ? 0 : ((now - this.phaseMs) / step) * (steps - step);
    const taken = now - this.windowMs;
    const each = window > 0 ? this.doneMs / window : taken + phaseLeft;
    return Math.round(Math.max(phaseLeft, each - taken) + each * (windows - window - 1));
  }
}
