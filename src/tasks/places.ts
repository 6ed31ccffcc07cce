/** Positions of frames on a clip's timeline. */
import { InputError } from '../errors.js';

/** Groups frames with consecutive positions: `count` entries of `at`, from index `first` on, start at `place`. */
export function runsOf(at: readonly number[]): { place: number; first: number; count: number }[] {
  const runs: { place: number; first: number; count: number }[] = [];
  at.forEach((place, i) => {
    const run = runs.at(-1);
    if (run && place === run.place + run.count) run.count++;
    else runs.push({ place, first: i, count: 1 });
  });
  return runs;
}

/** @throws InputError unless each of `count` frames has a position within the clip */
export function expectPlaces(
  what: string,
  count: number,
  at: readonly number[],
  numFrames: number,
): void {
  if (at.length === count && at.every((place) => place >= 0 && place < numFrames)) return;
  throw new InputError(
    `conditionOf: ${count} ${what} need one position each within ${numFrames} frames, got [${at.join(', ')}]`,
  );
}
