/** Progress of one result: a line for each of its phases, or one for all of many windows. */
import type { Phase } from '../../../pipeline/progress.js';
import { Progress } from '../../terminal/progress.js';

export class PhaseProgress {
  private phase: Phase | null = null;
  private line: Progress | null = null;
  /** of the whole result, where it is made in several windows */
  private whole: Progress | null = null;

  /** @param label   of the steps, e.g. the task */
  constructor(private readonly label: string) {}

  /** A window begins; a result of one window is told by its phases. */
  window(index: number, count: number | null): void {
    if (count === 1) return;
    this.whole ??= new Progress({
      label: this.label,
      total: count ?? undefined,
      unit: 'windows',
    });
    this.whole.update(index);
  }

  update(phase: Phase, done: number, total: number): void {
    if (this.whole) return;
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
    this.phase = null;
  }
}
