/** Figures in Prometheus's text format. */
import type { JobRecord } from './jobs/job.js';

interface Summary {
  sum: number;
  count: number;
}

export class Metrics {
  private readonly requests = new Map<string, number>();
  private readonly jobs = new Map<string, number>();
  private readonly jobSeconds = new Map<string, Summary>();
  private readonly waitSeconds: Summary = { sum: 0, count: 0 };

  request(method: string, route: string, status: number): void {
    add(this.requests, labels({ method, route, code: String(status) }));
  }

  ended(job: JobRecord): void {
    add(this.jobs, labels({ task: job.task, state: job.status }));
    if (job.startedMs === null) return;
    this.waitSeconds.sum += (job.startedMs - job.createdMs) / 1000;
    this.waitSeconds.count++;
    if (job.inferenceSeconds === null) return;
    const key = labels({ task: job.task });
    const summary = this.jobSeconds.get(key) ?? { sum: 0, count: 0 };
    this.jobSeconds.set(key, {
      sum: summary.sum + job.inferenceSeconds,
      count: summary.count + 1,
    });
  }

  /** @param now  figures that are known at any time, by name and labels */
  text(
    now: readonly { name: string; help: string; values: readonly [string, number][] }[],
  ): string {
    const seconds = [...this.jobSeconds].flatMap(([key, { sum, count }]): [string, number][] => [
      [`_sum${key}`, sum],
      [`_count${key}`, count],
    ]);
    const { sum, count } = this.waitSeconds;
    return [
      ...family('mfm_requests_total', 'counter', 'requests', [...this.requests]),
      ...family('mfm_jobs_ended_total', 'counter', 'jobs that have ended', [...this.jobs]),
      ...family('mfm_job_seconds', 'summary', 'time spent on finished jobs', seconds),
      ...family('mfm_queue_wait_seconds', 'summary', 'time that jobs waited', [
        ['_sum', sum],
        ['_count', count],
      ]),
      ...now.flatMap(({ name, help, values }) => family(name, 'gauge', help, values)),
      '',
    ].join('\n');
  }
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
