/** Progress of one result: a line for each phase, or one line that counts the windows of a long result. */
import type { ProgressEvent } from '../../../index.js';
import type { Phase } from '../../../pipeline/progress.js';
import { Progress } from '../../terminal/progress.js';

export class PhaseProgress {
  private phase: Phase | null = null;
  private line: Progress | null = null;
  /** progress of the whole result, if it has several windows */
  private whole: Progress | null = null;
  private window: number | null = null;

  /** @param label   label of the steps, e.g. the task */
  constructor(private readonly label: string) {}

  /** Shows the phases of a result with one window, otherwise the number of windows. */
  update({ phase, step, steps, window, windows }: ProgressEvent): void {
    if (windows === 1) this.updatePhase(phase, step, steps);
    else if (window !== this.window) {
      this.window = window;
      const total = windows ?? undefined;
      this.whole ??= new Progress({ label: this.label, total, unit: 'windows' });
      this.whole.update(window);
    }
  }

  private updatePhase(phase: Phase, done: number, total: number): void {
    if (phase !== this.phase) {
      this.line?.end();
      this.phase = phase;
      const words = { text: 'prompt', condition: 'condition', steps: this.label, frames: 'frames' };
      const unit = phase === 'steps' ? 'steps' : 'parts';
      this.line = new Progress({ label: words[phase], total, unit });
    }
    this.line?.update(done);
  }

  end(): void {
    this.line?.end();
    this.whole?.end();
    this.line = null;
    this.whole = null;
    this.window = null;
    this.phase = null;
  }
}
