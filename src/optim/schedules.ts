/** Learning-rate schedules: pure functions from the step, counted from 0, to a factor of the base rate. */

export type Schedule = (step: number) => number;

/** Always 1. */
export const constant: Schedule = () => 1;

/** Half a cosine period from 1 at step 0 to `floor` at `totalSteps`, and `floor` from then on. */
export function cosine({
  totalSteps,
  floor = 0,
}: {
  totalSteps: number;
  floor?: number;
}): Schedule {
  return (step) => {
    const done = Math.min(1, step / totalSteps);
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * done))) / 2;
  };
}

/** `schedule` times a ramp that is 1 / warmupSteps at step 0 and 1 from step warmupSteps - 1 on. */
export function withWarmup(schedule: Schedule, warmupSteps: number): Schedule {
  if (warmupSteps === 0) return schedule;
  return (step) => schedule(step) * Math.min(1, (step + 1) / warmupSteps);
}
