/** What a training says of itself, as it happens. */
import type { Reporter } from './loop/reporter.js';
import type { RunEvent } from './run/run-event.js';

/**
 * One of: a line of metrics.jsonl (`metrics`), a new state of the run (`status`), a checkpoint or a
 * sheet of samples that was written, a sentence for people (`note`), and how far a phase is.
 */
export type TrainEvent =
  | RunEvent
  | { type: 'note'; text: string }
  /** something that takes a while begins: `total` units of it; the one before it has ended */
  | { type: 'phase'; label: string; total: number; unit: string }
  | ProgressEvent
  | { type: 'phaseEnd'; label: string };

export interface ProgressEvent {
  type: 'progress';
  /** of the phase */
  label: string;
  /** units, of `total` */
  done: number;
  total: number;
  /** figures, in a few words */
  note: string;
  /** of a phase that ends with its time: seconds in all, and the share of them that has passed, 0..1 */
  limit?: { seconds: number; share: number };
}

/** A reporter that says everything as events. */
export function eventReporter(emit: (event: TrainEvent) => void): Reporter {
  let phase = { label: '', total: 0 };
  return {
    start(label, total, unit = 'steps') {
      phase = { label, total };
      emit({ type: 'phase', label, total, unit });
    },
    update(done, note, limit) {
      const { label, total } = phase;
      emit({ type: 'progress', label, done, total, note, ...(limit ? { limit } : {}) });
    },
    log: (text) => emit({ type: 'note', text }),
    end: () => emit({ type: 'phaseEnd', label: phase.label }),
  };
}

/** The first process of a job speaks for all: what another says waits until it is asked for it. */
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
