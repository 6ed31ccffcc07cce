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

/**
 * Constant, then `schedule` over the last `share` of the steps ("warm-up, stable, decay").
 *
 * @param schedule   over the share of the steps that is over, 0..1
 * @returns          the same
 * Source: Hu et al. 2024, MiniCPM, arXiv 2404.06395; Hägele et al. 2024, arXiv 2405.18392 (a fifth
 * of the steps is enough)
 */
export function atTheEnd(schedule: Schedule, share: number): Schedule {
  return (done) => schedule(Math.max(0, (done - (1 - share)) / share));
}

/** `schedule` times a ramp that is 1 / warmupSteps at step 0 and 1 from step warmupSteps - 1 on. */
export function withWarmup(schedule: Schedule, warmupSteps: number): Schedule {
  if (warmupSteps === 0) return schedule;
  return (step) => schedule(step) * Math.min(1, (step + 1) / warmupSteps);
}
