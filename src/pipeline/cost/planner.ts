/** Estimates the cost of a pipeline's results on this machine, and checks that memory suffices. */
import { type Fit, MemoryError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import type { Target } from '../../tasks/index.js';
import { memoryOf } from '../../tensor/index.js';
import type { PipelineShape } from '../shape.js';
import { availableOn } from './available.js';
import { type Calibration, calibrate } from './calibrate.js';
import { type Plan, type PlanOptions, planOf, whatFits } from './plan.js';
import { type Work, type WorkRequest, workOf } from './work.js';

/** How results are computed. */
export type PlannerOptions = Omit<PlanOptions, 'residentBytes'> & {
  /** default: the CPU */
  device?: string;
};

/** Estimates costs; the first estimate calibrates, which takes a moment. */
export class Planner {
  private calibration: Calibration | null = null;
  private readonly device: string;
  /** bytes of a GPU that nothing took before this pipeline; null for memory of the machine */
  private readonly freeBytes: number | null;

  /** Best made before the pipeline's weights are on a GPU: their place counts as available. */
  constructor(
    private readonly shape: PipelineShape,
    private readonly options: PlannerOptions,
  ) {
    this.device = options.device ?? 'cpu';
    this.freeBytes = memoryOf(this.device)?.free ?? null;
  }

  plan(request: WorkRequest): Plan {
    const work = workOf(this.shape, request);
    const { residentBytes } = this;
    return planOf(this.shape, work, this.calibrated(work), { ...this.options, residentBytes });
  }

  /** Bytes that results may take beside what this process takes; of a GPU, with the weights. */
  get availableBytes(): number {
    return Math.max(this.freeBytes ?? 0, availableOn(this.device));
  }

  /** Bytes that results may take, in all. */
  get limitBytes(): number {
    return this.availableBytes + this.residentBytes;
  }

  /** Bytes of this process beside the pipeline, where they are counted. */
  private get residentBytes(): number {
    return this.freeBytes === null ? process.memoryUsage.rss() : 0;
  }

  private calibrated(work: Work): Calibration {
    this.calibration ??= calibrate(this.shape, work, this.options.dtype, this.device);
    return this.calibration;
  }

  /** @throws MemoryError naming the memory needed, the memory available, and what would fit */
  expectToFit(plan: Plan, request: WorkRequest): void {
    const { residentBytes, limitBytes: limit } = this;
    if (plan.peakBytes <= limit) return;
    const calibration = this.calibrated(plan.work);
    const fits = whatFits(plan, limit, ({ target = request.target, ...changes }) =>
      planOf(this.shape, workOf(this.shape, { ...request, target }), calibration, {
        ...this.options,
        residentBytes,
        ...changes,
      }),
    );
    const remedy =
      fits.length > 0
        ? `take ${fits.map(fitInWords).join(' or ')}`
        : 'a smaller pipeline or more memory is needed';
    throw new MemoryError(
      `${sizeInWords(request.target)}: needs ${formatBytes(plan.peakBytes)} of ${this.freeBytes === null ? 'memory' : `the memory of ${this.device}`} at its peak, and ${formatBytes(limit)} is available; ${remedy}, or try it with \`checkMemory: false\``,
      { neededBytes: plan.peakBytes, availableBytes: limit, fits },
    );
  }
}

function fitInWords({ dtype, numFrames, size }: Fit): string {
  if (dtype) return `\`dtype: '${dtype}'\``;
  return size
    ? `\`size: { width: ${size.width}, height: ${size.height} }\``
    : `\`numFrames: ${numFrames}\``;
}

/** `640x352, 17 frames`; `64x64` */
export const sizeInWords = ({ width, height, numFrames }: Target): string =>
  `${width}x${height}${numFrames > 1 ? `, ${numFrames} frames` : ''}`;
