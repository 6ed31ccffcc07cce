/** Rounds halves to even, as Python does: 2.5 to 2, 3.5 to 4. */
export function roundHalfToEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest === 0.5) return low % 2 === 0 ? low : low + 1;
  return rest < 0.5 ? low : low + 1;
}
