/** Measures how visible the seam between generated and known pixels is, piece by piece. */
import { seam } from '../eval/metrics/index.js';
import { mean } from '../eval/quality.js';
import type { Frames } from '../media/index.js';
import type { Piece } from '../pipeline/generate/generate.js';

export class SeamFigures {
  private readonly seams: number[] = [];
  private readonly seamsAsMade: number[] = [];
  private readonly drifts: number[] = [];

  add({ frames, filled }: Piece): void {
    if (!filled?.hole.includes(1) || !filled.hole.includes(0)) return;
    const { made, hole } = filled;
    const before = seam(pasted(made, frames, hole), hole);
    const after = seam(frames, hole);
    if (before === null || after === null) return;
    this.seamsAsMade.push(before);
    this.seams.push(after);
    this.drifts.push(colourDrift(made, frames, hole));
  }

  /** One line, or none if there was nothing to measure. */
  lines(): string[] {
    if (this.seams.length === 0) return [];
    // below 0 the seam is smoother than its surroundings, which is as invisible as 0
    const [after, before, drift] = [this.seams, this.seamsAsMade, this.drifts].map((values) =>
      Math.max(0, mean(values)).toFixed(1),
    );
    return [
      `seam ${after} of 255 (0 is invisible), ${before} before it was feathered; colours of the known part drifted by ${drift} in the model and are put back`,
    ];
  }
}

/** The frames with the generated pixels in the hole, not feathered. */
function pasted(made: Frames, frames: Frames, hole: Uint8Array): Frames {
  const data = frames.data.slice();
  for (let i = 0; i < data.length; i++) {
    if (hole[Math.floor(i / 3)]) data[i] = made.data[i]!;
  }
  return { ...frames, data };
}

/** How far the model changed the mean colour of the known pixels, averaged over the channels. */
function colourDrift(made: Frames, frames: Frames, hole: Uint8Array): number {
  const sums = [0, 0, 0];
  let count = 0;
  for (let p = 0; p < hole.length; p++) {
    if (hole[p]) continue;
    count++;
    for (let c = 0; c < 3; c++) sums[c]! += made.data[p * 3 + c]! - frames.data[p * 3 + c]!;
  }
  return mean(sums.map((sum) => Math.abs(sum / count)));
}
