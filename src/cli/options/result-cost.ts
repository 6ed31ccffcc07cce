/** The cost of a result in words, and whether there is memory for it. */
import { InputError } from '../../errors.js';
import type { Calibration } from '../../pipeline/cost/calibrate.js';
import type { Plan, PlanOptions } from '../../pipeline/cost/plan.js';
import type { Work, WorkRequest } from '../../pipeline/cost/work.js';
import type { PipelineShape } from '../../pipeline/shape.js';
import type { Target } from '../../tasks/index.js';
import { formatBytes, formatDuration } from '../terminal/progress.js';
import { aligned } from '../terminal/table.js';

/** Plans for one pipeline on this machine; it calibrates once. */
export class Planner {
  private calibration: Calibration | null = null;
  private toldWork = '';

  constructor(
    private readonly shape: PipelineShape,
    private readonly options: Omit<PlanOptions, 'residentBytes'>,
  ) {}

  async plan(request: WorkRequest): Promise<Plan> {
    const { planOf } = await import('../../pipeline/cost/plan.js');
    const { workOf } = await import('../../pipeline/cost/work.js');
    const work = workOf(this.shape, request);
    const calibration = await this.calibrated(work);
    const residentBytes = process.memoryUsage.rss();
    return planOf(this.shape, work, calibration, { ...this.options, residentBytes });
  }

  private async calibrated(work: Work): Promise<Calibration> {
    const { calibrate } = await import('../../pipeline/cost/calibrate.js');
    this.calibration ??= calibrate(this.shape, work, this.options.dtype);
    return this.calibration;
  }

  /** Is this plan for other work than the one before? */
  isNews({ work }: Plan): boolean {
    const before = this.toldWork;
    this.toldWork = JSON.stringify(work);
    return this.toldWork !== before;
  }

  /** @throws InputError naming what is needed, what there is, and what would fit */
  async expectToFit(plan: Plan, request: WorkRequest): Promise<void> {
    const { availableBytes, planOf, whatFits } = await import('../../pipeline/cost/plan.js');
    const { workOf } = await import('../../pipeline/cost/work.js');
    const residentBytes = process.memoryUsage.rss();
    const limit = availableBytes() + residentBytes;
    if (plan.peakBytes <= limit) return;
    const calibration = await this.calibrated(plan.work);
    const fits = whatFits(plan, limit, ({ target = request.target, ...changes }) =>
      planOf(this.shape, workOf(this.shape, { ...request, target }), calibration, {
        ...this.options,
        residentBytes,
        ...changes,
      }),
    );
    const remedy =
      fits.length > 0 ? `take ${fits.join(' or ')}` : 'a smaller pipeline or more memory is needed';
    throw new InputError(
      `${sizeInWords(request.target)}: needs ${formatBytes(plan.peakBytes)} of memory at its peak, ${formatBytes(limit)} can be had; ${remedy}, or try it with --no-check-memory`,
    );
  }
}

/** `640x352, 17 frames`; `64x64` */
export const sizeInWords = ({ width, height, numFrames }: Target): string =>
  `${width}x${height}${numFrames > 1 ? `, ${numFrames} frames` : ''}`;

const giga = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(2)} G` : `${(count / 1e6).toFixed(1)} M`;

const flops = (count: number): string =>
  count >= 1e12 ? `${(count / 1e12).toFixed(1)} TFLOP` : `${(count / 1e9).toFixed(1)} GFLOP`;

/** What a plan says, a line for every phase. */
export function planLines(
  title: string,
  plan: Plan,
  shape: PipelineShape,
  availableBytes: number,
): string[] {
  const { work, phases, dtype } = plan;
  const steps = work.guidedSteps + work.plainSteps;
  const rows = phases.map(({ phase, part, bytes, seconds }) => [
    phase,
    part,
    `${giga(shape.parts[part].parameters)} parameters`,
    formatBytes(bytes),
    phase === 'steps'
      ? `${steps} x ${preciseDuration(plan.stepSeconds)} = ${formatDuration(seconds)}`
      : preciseDuration(seconds),
  ]);
  return [
    `${title} ${sizeInWords(work.target)}, ${dtype}: ${Math.round(work.batches * work.rows)} x ${work.tokens} tokens, ${steps} step${steps === 1 ? '' : 's'} of ${flops(plan.stepFlops)}`,
    ...aligned(rows).map((line) => `  ${line}`),
    `  ${formatBytes(plan.peakBytes)} of memory at its peak, ${formatBytes(availableBytes)} can be had; about ${preciseDuration(plan.seconds)}`,
  ];
}

/** As `formatDuration`, with a decimal where that would be most of it. */
const preciseDuration = (seconds: number): string =>
  seconds < 10 ? `${seconds.toFixed(seconds < 1 ? 2 : 1)} s` : formatDuration(seconds);
