/** Fills gaps in a picture from their surroundings. */

/**
 * Smoothly fills the pixels with weight 0 from those with weight 1: repeatedly averages known values over
 * 2x2 pixels (pull), then fills the gaps of each level from the next coarser one (push).
 *
 * @param values   [H, W, 3], premultiplied by weight; modified in place
 * @param weights  [H, W], 0..1; modified in place
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
    coarseWeights[j] = 1; // counts as known
    for (let c = 0; c < 3; c++) coarse[j * 3 + c]! /= weight;
  }
  pullPush(coarse, coarseWeights, columns, rows);

  for (let y = 0, i = 0; y < height; y++) {
    // the centre of a fine pixel is a quarter of a coarse pixel away from the centre of its coarse pixel
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
