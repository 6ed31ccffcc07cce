/** The shapes of a depth model's batches, as pictures keep their aspect ratio in use. */

/** Sides as multiples of the plan's, each with how often it is drawn. */
export const STRETCHES: readonly {
  sides: readonly [wide: number, high: number];
  weight: number;
}[] = [
  { sides: [1, 1], weight: 6 },
  { sides: [4 / 3, 1], weight: 2 },
  { sides: [1, 4 / 3], weight: 1 },
  { sides: [16 / 9, 1], weight: 1 },
];

/** The mean area of a batch's pictures, as a multiple of the plan's. */
export function meanStretch(): number {
  const weights = STRETCHES.reduce((sum, { weight }) => sum + weight, 0);
  return STRETCHES.reduce((sum, { sides: [a, b], weight }) => sum + a * b * weight, 0) / weights;
}

/** The largest area. */
export const largestStretch = (): number =>
  Math.max(...STRETCHES.map(({ sides: [a, b] }) => a * b));
