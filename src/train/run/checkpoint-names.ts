/** How checkpoints, and batches that are kept, are called: PART-STEP, with eight digits. Needs no LibTorch. */
import { readdirSync } from 'node:fs';

export interface CheckpointName {
  name: string;
  part: string;
  step: number;
}

const STEP_DIGITS = 8;
const NAME = new RegExp(`^(.+)-(\\d{${STEP_DIGITS}})$`);

export const checkpointName = (part: string, step: number): string =>
  `${part}-${String(step).padStart(STEP_DIGITS, '0')}`;

/**
 * The checkpoints in a folder `checkpoints`, without what is still being written; [] if there is no
 * such folder. Those of a part are in the order of their steps.
 */
export function checkpointsIn(folder: string): CheckpointName[] {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return names.flatMap((name) => {
    const [, part, step] = NAME.exec(name) ?? [];
    return part === undefined ? [] : [{ name, part, step: Number(step) }];
  });
}
