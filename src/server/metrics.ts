/** Figures in Prometheus's text format. */
import type { JobRecord } from './jobs/job.js';
import type { TimedStage } from './jobs/stage-clock.js';

interface Summary {
  sum: number;
  count: number;
}

/** Upper bounds of a stage's buckets, in seconds: pictures take tenths of them, films hours. */
const BOUNDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200];

interface Histogram extends Summary {
  /** values up to each of `BOUNDS`, but above the one before */
  buckets: number[];
}

/** A figure that is known at any time: its values, by their labels. */
export interface Figure {
  name: string;
  type: 'gauge' | 'counter';
  help: string;
  values: readonly [string, number][];
}

export class Metrics {
  private readonly requests = new Map<string, number>();
  private readonly jobs = new Map<string, number>();
  private readonly jobSeconds = new Map<string, Summary>();
  private readonly stages = new Map<TimedStage, Histogram>();

  request(method: string, route: string, status: number): void {
    add(this.requests, labels({ method, route, code: String(status) }));
  }

  /** @param stages  seconds that the job was in each */
  ended(job: JobRecord, stages: ReadonlyMap<TimedStage, number>): void {
    add(this.jobs, labels({ task: job.task, state: job.status }));
    for (const [stage, seconds] of stages) this.observe(stage, seconds);
    if (job.inferenceSeconds === null) return;
    const key = labels({ task: job.task });
    const summary = this.jobSeconds.get(key) ?? { sum: 0, count: 0 };
    this.jobSeconds.set(key, {
      sum: summary.sum + job.inferenceSeconds,
      count: summary.count + 1,
    });
  }

  private observe(stage: TimedStage, seconds: number): void {
    const none = { sum: 0, count: 0, buckets: BOUNDS.map(() => 0) };
    const histogram = this.stages.get(stage) ?? none;
    const at = BOUNDS.findIndex((bound) => seconds <= bound);
    if (at >= 0) histogram.buckets[at]!++;
    histogram.sum += seconds;
    histogram.count++;
    this.stages.set(stage, histogram);
  }

  text(now: readonly Figure[]): string {
    const seconds = [...this.jobSeconds].flatMap(([key, { sum, count }]): [string, number][] => [
      [`_sum${key}`, sum],
      [`_count${key}`, count],
    ]);
    const stages = [...this.stages].flatMap(([stage, histogram]) => samplesOf(stage, histogram));
    return [
      ...family('mfm_requests_total', 'counter', 'requests', [...this.requests]),
      ...family('mfm_jobs_ended_total', 'counter', 'jobs that have ended', [...this.jobs]),
      ...family('mfm_job_seconds', 'summary', 'time spent on finished jobs', seconds),
      ...family('mfm_job_stage_seconds', 'histogram', 'time that jobs were in a stage', stages),
      ...now.flatMap(({ name, type, help, values }) => family(name, type, help, values)),
      '',
    ].join('\n');
  }
}

function samplesOf(stage: TimedStage, { buckets, sum, count }: Histogram): [string, number][] {
  let upTo = 0;
  const bounded = BOUNDS.map((bound, i): [string, number] => {
    upTo += buckets[i]!;
    return [`_bucket${labels({ stage, le: String(bound) })}`, upTo];
  });
  const key = labels({ stage });
  return [
    ...bounded,
    [`_bucket${labels({ stage, le: '+Inf' })}`, count],
    [`_sum${key}`, sum],
    [`_count${key}`, count],
  ];
}

function add(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

const family = (name: string, type: string, help: string, values: readonly [string, number][]) => [
  `# HELP ${name} ${help}`,
  `# TYPE ${name} ${type}`,
  ...values.map(([key, value]) => `${name}${key} ${value}`),
];

/** `{a="1",b="2"}` */
export const labels = (pairs: Record<string, string>): string =>
  `{${Object.entries(pairs)
    .map(
      ([name, value]) =>
        `${name}="${value.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))}"`,
    )
    .join(',')}}`;
