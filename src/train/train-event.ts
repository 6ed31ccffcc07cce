/** The events of a training, as they happen. */
import type { Reporter } from './loop/reporter.js';
import type { RunEvent } from './run/run-event.js';

/**
 * One of: a line of metrics.jsonl (`metrics`), a new state of the run (`status`), a checkpoint or a
 * sample sheet that was written (`checkpoint`, `sample`), a sentence for people (`note`), and the
 * progress of a phase (`phase`, `progress`, `phaseEnd`).
 */
export type TrainEvent =
  | RunEvent
  | { type: 'note'; text: string }
  /**
   * a phase begins, which has `total` units of work; `within`: the label of the phase that it
   * interrupts, as validation does training, or null
   */
  | { type: 'phase'; label: string; total: number; unit: string; within: string | null }
  | ProgressEvent
  | { type: 'phaseEnd'; label: string };

export interface ProgressEvent {
  type: 'progress';
  /** the label of the phase */
  label: string;
  /** units that are done, of `total` */
  done: number;
  total: number;
  /** current figures, in a few words */
  note: string;
  /** for a phase with a time limit: the limit, and the share of it that has passed, 0..1 */
  limit?: { seconds: number; share: number };
}

/** A reporter that emits everything as events. */
export function eventReporter(emit: (event: TrainEvent) => void): Reporter {
  const open: { label: string; total: number }[] = [];
  return {
    start(label, total, unit = 'steps') {
      const within = open.at(-1)?.label ?? null;
      open.push({ label, total });
      emit({ type: 'phase', label, total, unit, within });
    },
    update(done, note, limit) {
      const phase = open.at(-1);
      if (phase) emit({ type: 'progress', ...phase, done, note, ...(limit ? { limit } : {}) });
    },
    log: (text) => emit({ type: 'note', text }),
    end() {
      const phase = open.pop();
      if (phase) emit({ type: 'phaseEnd', label: phase.label });
    },
  };
}

/**
 * The reporter of all processes of a job but the first: keeps what is logged until the first one
 * takes it.
 */
export function heldReporter(): Reporter {
  const held: string[] = [];
  return {
    start: () => {},
    update: () => {},
    end: () => {},
    log: (text) => held.push(text),
    take: () => held.splice(0),
  };
}
