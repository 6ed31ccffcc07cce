/** What happens in a fine-tuning job, line by line, as events.jsonl in its folder keeps it. */
import { existsSync, readFileSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FineTuningLine } from '../schemas/training.js';
import { newId } from '../store/shelf.js';

/** What happened in a job, a line of its events.jsonl. */
export interface TrainingLine extends Omit<FineTuningLine, 'object' | 'created_at'> {
  createdMs: number;
}

const LINES = 'events.jsonl';

export function newLine({
  level = 'info',
  message,
  type = 'message',
  data = {},
}: Partial<TrainingLine> & { message: string }): TrainingLine {
  return { id: newId('ftevent'), createdMs: Date.now(), level, message, type, data };
}

export const lineView = ({ createdMs, ...line }: TrainingLine): FineTuningLine => ({
  ...line,
  object: 'fine_tuning.job.event',
  created_at: Math.floor(createdMs / 1000),
});

/** The oldest first. @param folder  of the job */
export function readLines(folder: string): TrainingLine[] {
  const path = join(folder, LINES);
  if (!existsSync(path)) return [];
  const texts = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return texts.flatMap((text) => {
    try {
      return [JSON.parse(text) as TrainingLine];
    } catch {
      return []; // the last line may be torn by a crash
    }
  });
}

/** Appends lines in their order. */
export class LineLog {
  /** when all lines so far are on disk */
  written: Promise<void> = Promise.resolve();

  constructor(private readonly say: (sentence: string) => void) {}

  add(folder: string, line: TrainingLine): void {
    const path = join(folder, LINES);
    this.written = this.written
      .then(() => appendFile(path, `${JSON.stringify(line)}\n`))
      .catch((error: Error) => this.say(`${path}: cannot be written (${error.message})`));
  }
}
