/** Estimates the cost of a pipeline's results on this machine, and checks that memory suffices. */
import { type Fit, MemoryError } from '../../errors.js';
import { formatBytes } from '../../format-bytes.js';
import type { Target } from '../../tasks/index.js';
import type { PipelineShape } from '../shape.js';
import { availableBytes } from './available.js';
import { type Calibration, calibrate } from './calibrate.js';
import { type Plan, type PlanOptions, planOf, whatFits } from './plan.js';
import { type Work, type WorkRequest, workOf } from './work.js';

/** Estimates costs; the first estimate calibrates, which takes a moment. */
export class Planner {
  private calibration: Calibration | null = null;

  constructor(
    private readonly shape: PipelineShape,
    private readonly options: Omit<PlanOptions, 'residentBytes'>,
  ) {}

  plan(request: WorkRequest): Plan {
    const work = workOf(this.shape, request);
    const residentBytes = process.memoryUsage.rss();
    return planOf(this.shape, work, this.calibrated(work), { ...this.options, residentBytes });
  }

  private calibrated(work: Work): Calibration {
    this.calibration ??= calibrate(this.shape, work, this.options.dtype);
    return this.calibration;
  }

  /** @throws MemoryError naming the memory needed, the memory available, and what would fit */
  expectToFit(plan: Plan, request: WorkRequest): void {
    const residentBytes = process.memoryUsage.rss();
    const limit = availableBytes() + residentBytes;
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
      `${sizeInWords(request.target)}: needs ${formatBytes(plan.peakBytes)} of memory at its peak, and ${formatBytes(limit)} is available; ${remedy}, or try it with \`checkMemory: false\``,
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
