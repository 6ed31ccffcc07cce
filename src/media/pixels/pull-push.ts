/** Gaps in a picture filled from what is around them. */

/**
 * Fills where `weights` is 0 from where it is 1, smoothly: means of 2x2 known values, again and again
 * (pull), then every gap filled from the level above it (push).
 *
 * @param values   [H, W, 3], times weight; changed
 * @param weights  [H, W], 0..1; changed
 * Source: Gortler et al. 1996, The Lumigraph
 */
export function pullPush(
  values: Float32Array,
  weights: Float32Array,
  width: number,
  height: number,
): void {
  if (width === 1 && height === 1) return;
  const [columns, rows] = [(width + 1) >> 1, (height + 1) >> 1];
  const coarse = new Float32Array(columns * rows * 3);
  const coarseWeights = new Float32Array(columns * rows);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (weights[i] === 0) continue;
      const j = (y >> 1) * columns + (x >> 1);
      coarseWeights[j]! += weights[i]!;
      coarse[j * 3]! += values[i * 3]!;
      coarse[j * 3 + 1]! += values[i * 3 + 1]!;
      coarse[j * 3 + 2]! += values[i * 3 + 2]!;
    }
  }
  for (let j = 0; j < coarseWeights.length; j++) {
    const weight = coarseWeights[j]!;
    if (weight <= 1) continue;
    coarseWeights[j] = 1; // as good as known
    for (let c = 0; c < 3; c++) coarse[j * 3 + c]! /= weight;
  }
  pullPush(coarse, coarseWeights, columns, rows);

  for (let y = 0, i = 0; y < height; y++) {
    // the middle of a fine pixel lies a quarter of a coarse one off the middle of its own
    const near = y >> 1;
    const far = clamp(near + (y & 1 ? 1 : -1), rows) * columns;
    for (let x = 0; x < width; x++, i++) {
      const missing = 1 - weights[i]!;
      if (missing <= 0) continue;
      const column = x >> 1;
      const beside = clamp(column + (x & 1 ? 1 : -1), columns);
      const [a, b] = [(near * columns + column) * 3, (near * columns + beside) * 3];
      const [d, e] = [(far + column) * 3, (far + beside) * 3];
      for (let c = 0; c < 3; c++) {
        const filled =
          (9 * coarse[a + c]! + 3 * coarse[b + c]! + 3 * coarse[d + c]! + coarse[e + c]!) / 16;
        values[i * 3 + c]! += missing * filled;
      }
      weights[i] = 1;
    }
  }
}

const clamp = (index: number, count: number): number =>
  index < 0 ? 0 : index >= count ? count - 1 : index;
