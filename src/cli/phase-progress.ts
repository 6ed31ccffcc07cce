/** Progress of one result: a line for each of its phases. */
import type { Phase } from '../pipeline/pipeline.js';
import { Progress } from './progress.js';

export class PhaseProgress {
  private phase: Phase | null = null;
  private line: Progress | null = null;

  /** @param label   of the steps, e.g. the task */
  constructor(private readonly label: string) {}

  update(phase: Phase, done: number, total: number): void {
    if (phase !== this.phase) {
      this.end();
      this.phase = phase;
      const words = { text: 'prompt', condition: 'condition', steps: this.label, frames: 'frames' };
      const unit = phase === 'steps' ? 'steps' : 'parts';
      this.line = new Progress({ label: words[phase], total, unit });
    }
    this.line?.update(done);
  }

  end(): void {
    this.line?.end();
    this.line = null;
    this.phase = null;
  }
}
