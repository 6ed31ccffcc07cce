/**
 * Estimates a result's cost before anything is computed: memory per part and at its peak, work and
 * time, from the configurations and a short calibration on this machine.
 */

import type { Fit } from '../../errors.js';
import { decodeSteps, defaultTiling, spatialCompression } from '../../models/autoencoder/index.js';
import { decodedFrames, multiplesOf16 } from '../../models/latent-grid.js';
import {
  passBytes,
  passFlops,
  STAGE_PIXELS,
  textBytes,
  widthOf,
} from '../../models/transformer/cost.js';
import type { Target } from '../../tasks/index.js';
import { bytesPerElement, type DType } from '../../tensor/index.js';
import { DECODE_CACHE } from '../pipeline.js';
import type { Phase } from '../progress.js';
import { dtypeOfPart, type PartName, type PipelineShape, weightBytes } from '../shape.js';
import type { Calibration } from './calibrate.js';
import type { Work } from './work.js';

export interface PhasePlan {
  phase: Phase;
  part: PartName;
  /** parameters of the part */
  parameters: number;
  /** memory in use while it runs: weights and everything else, except the program itself */
  bytes: number;
  seconds: number;
}

export interface Plan {
  work: Work;
  dtype: DType;
  oneAtATime: boolean;
  phases: PhasePlan[];
  /** floating-point operations of a step with guidance, or of any step if none has guidance */
  stepFlops: number;
  stepSeconds: number;
  /** peak memory of the process */
  peakBytes: number;
  seconds: number;
}

export interface PlanOptions {
  dtype: DType;
  /** see `Pipeline` */
  oneAtATime: boolean;
  /** memory of this process before it begins */
  residentBytes: number;
}

export function planOf(
  shape: PipelineShape,
  work: Work,
  calibration: Calibration,
  { dtype, oneAtATime, residentBytes }: PlanOptions,
): Plan {
  const size = bytesPerElement(dtype);
  const { transformer, textEncoder, parts } = shape;
  const { target, tiles, rows, tokens, samples, batches, guidedSteps, plainSteps } = work;
  const { width, height } = tiles ?? target;
  const volume = target.numFrames * height * width;
  // the tiles' conditions stay in memory as tokens, for all steps
  const given = tiles ? tiles.kept : samples;
  const keptTokens = tiles ? tiles.kept * (rows / samples) * tokens : 0;

  const passSeconds = (count: number) =>
    transformer.num_layers *
    (count * tokens * calibration.tokenSeconds + count * tokens ** 2 * calibration.scoreSeconds);
  const adapterPasses = work.depth && guidedSteps > 0 ? 2 : 1;
  const decoding = decodingOf(shape, work);
  const results = tiles ? 1 : samples;
  const tileBytes = results * decoding.tilePixels * calibration.decodedPixelBytes;

  const own: Omit<PhasePlan, 'phase' | 'parameters'>[] = [
    {
      part: 'text_encoder',
      bytes: 0,
      seconds: textEncoder.num_layers * calibration.textLayerSeconds,
    },
    {
      part: 'transformer',
      bytes:
        samples * volume * CONDITION_BYTES +
        Math.min(volume, STAGE_PIXELS) * calibration.adapterPixelBytes,
      seconds: given * adapterPasses * volume * calibration.adapterPixelSeconds,
    },
    {
      part: 'transformer',
      bytes:
        passBytes(transformer, work, size) +
        textBytes(transformer, work, size) +
        keptTokens * widthOf(transformer) * size +
        (tiles ? 0 : samples * volume * KEPT_BYTES),
      seconds: batches * (guidedSteps * passSeconds(rows) + plainSteps * passSeconds(samples)),
    },
    {
      part: 'vae',
      bytes:
        tileBytes +
        Math.min(DECODE_CACHE, tileBytes) +
        results * decoding.resultPixels * 3 * (2 * size + FINISH_BYTES),
      seconds: results * decoding.pixels * calibration.decodedPixelSeconds,
    },
  ];
  const seen = new Set<PartName>();
  const phases = own.map((phase, i): PhasePlan => {
    const { stored } = parts[phase.part];
    const converted = stored !== null && stored !== dtypeOfPart(phase.part, dtype);
    // weights that are converted are in memory twice, once as they are stored
    const source = converted && !seen.has(phase.part) ? weightBytes(parts[phase.part], stored) : 0;
    if (oneAtATime) seen.clear();
    seen.add(phase.part);
    const weights = [...seen].reduce(
      (sum, part) => sum + weightBytes(parts[part], dtypeOfPart(part, dtype)),
      0,
    );
    const { parameters } = parts[phase.part];
    const bytes = weights + Math.max(phase.bytes, source);
    return { ...phase, phase: PHASES[i]!, parameters, bytes };
  });
  return {
    work,
    dtype,
    oneAtATime,
    phases,
    stepFlops: batches * passFlops(transformer, work),
    stepSeconds: batches * passSeconds(guidedSteps > 0 ? rows : samples),
    peakBytes: residentBytes + Math.max(...phases.map(({ bytes }) => bytes)),
    seconds: phases.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

const PHASES: readonly Phase[] = ['text', 'condition', 'steps', 'frames'];
/** Bytes of a pixel of the condition, five channels, float32: as it is read and as it is joined. */
const CONDITION_BYTES = 4 * (5 + 4 + 5);
/** Those of them that stay until the end: the pixel as it was read, float32. */
const KEPT_BYTES = 4 * 5;
/** Bytes of a value of the result, float32, held twice while it is converted to frames. */
const FINISH_BYTES = 8;

/** Pixels that are decoded: in all tiles, in the largest chunk of one tile, and in the result. */
function decodingOf(shape: PipelineShape, { latentFrames: f, target }: Work) {
  const { autoencoder: config } = shape;
  const factor = spatialCompression(config);
  const latents = [1, 1, f, target.height / factor, target.width / factor];
  const { area, tileArea } = decodeSteps(config, defaultTiling(config), latents);
  return {
    pixels: decodedFrames(f) * area * factor ** 2,
    tilePixels: decodedFrames(Math.min(f, 3)) * tileArea * factor ** 2,
    resultPixels: decodedFrames(f) * target.width * target.height,
  };
}

/**
 * Changes with which the plan would fit into `bytes`: dtype, then length, then size; [] if none helps.
 *
 * @param replan   gives the plan with some changes
 */
export function whatFits(
  plan: Plan,
  bytes: number,
  replan: (changes: { target?: Target; dtype?: DType; oneAtATime?: boolean }) => Plan,
): Fit[] {
  const { target } = plan.work;
  const fits = (changes: Parameters<typeof replan>[0]) => replan(changes).peakBytes <= bytes;
  const found: Fit[] = [];
  if (plan.dtype === 'float32' && fits({ dtype: 'bfloat16' })) found.push({ dtype: 'bfloat16' });
  for (let numFrames = target.numFrames - 4; numFrames >= 5; numFrames -= 4) {
    if (!fits({ target: { ...target, numFrames } })) continue;
    found.push({ numFrames });
    break;
  }
  for (let part = 0.95; part > 0.01; part *= 0.95) {
    const { width, height } = target;
    const size = multiplesOf16({ width: width * part, height: height * part });
    if (!fits({ target: { ...target, width: size.width, height: size.height } })) continue;
    found.push({ size });
    break;
  }
  return found;
}
