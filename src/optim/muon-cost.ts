/** What an update by Muon costs; apart from `muon.ts`, as costs are counted without LibTorch. */

/** Steps of the Newton-Schulz iteration. Source: Jordan et al. 2024 */
export const NEWTON_SCHULZ_STEPS = 5;

/** FLOPs of making a matrix of this shape orthogonal: three products in each step. */
export function muonFlops([rows, columns]: readonly number[]): number {
  const [short, long] = [Math.min(rows!, columns!), Math.max(rows!, columns!)];
  return NEWTON_SCHULZ_STEPS * 2 * (2 * short * short * long + short ** 3);
}
