/**
 * The jobs and the one loop that makes them, in order. A state is written before anything follows from
 * it, so what job.json says holds whatever happens to the server or the engine.
 */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSeed } from '../../seed.js';
import type { EngineChild } from '../engine/child.js';
import type { MakingEvent, OpenSpec } from '../engine/messages.js';
import { HttpError, notFound, ToldError, wrongState } from '../errors.js';
import type { ErrorBody } from '../schemas/error.js';
import type { JOB_ENDS, JobEvent } from '../schemas/event.js';
import type { VideoJob } from '../schemas/job.js';
import type { Shelf } from '../store/shelf.js';
import type { Events } from './events.js';
import { errorInFields, inFields } from './inputs.js';
import { type JobLive, type JobRecord, previewView, qualityOf, viewOf } from './job.js';
import { readQueue, writeQueue } from './queue-file.js';
import { StageClock, type TimedStage } from './stage-clock.js';

export interface QueueParts {
  jobs: Shelf<JobRecord>;
  events: Events;
  engine: EngineChild;
  /** holds queue.json */
  folder: string;
  /** the most jobs that may wait */
  most: number;
  openOf: (model: string, loras: OpenSpec['loras']) => OpenSpec;
  /** called when a job has ended, with the seconds that it was in each stage */
  onEnd: (job: JobRecord, stages: ReadonlyMap<TimedStage, number>) => void;
  /** jobs of which somebody wants to see every step */
  watched: ReadonlySet<string>;
  say: (sentence: string) => void;
}

type JobEnd = Partial<JobRecord> & { status: (typeof JOB_ENDS)[number] };

interface Running {
  job: JobRecord;
  live: JobLive;
  clock: StageClock;
  /** ends the work; its reason says what becomes of the job */
  stop: AbortController;
  ended: Promise<void>;
}

export class Queue {
  paused = false;
  /** ids of jobs that are on disk */
  private order: string[] = [];
  /** jobs that are being written, and will be in the order */
  private adding = 0;
  private running: Running | null = null;
  private readonly closing = new AbortController();
  /** jobs that waited, and whose end is being written */
  private readonly cancelling = new Map<string, Promise<void>>();
  private wake: () => void = () => {};
  private loop: Promise<void> | null = null;

  constructor(private readonly parts: QueueParts) {
    const stored = readQueue(parts.folder, parts.say);
    this.paused = stored.paused;
    const place = (id: string) => {
      const at = stored.order.indexOf(id);
      return at < 0 ? stored.order.length : at;
    };
    const waiting = parts.jobs.all().filter(({ status }) => status === 'queued');
    const begun = parts.jobs.all().filter(({ status }) => status === 'in_progress');
    const byPlace = waiting.sort((a, b) => place(a.id) - place(b.id) || a.createdMs - b.createdMs);
    // what was being made begins again, first of all
    this.order = [...begun, ...byPlace].map(({ id }) => id);
    for (const job of begun) job.status = 'queued';
  }

  /** Begins to make jobs. */
  async start(): Promise<void> {
    for (const id of this.order) {
      await this.parts.jobs.write(this.job(id));
      this.tell('queued', this.job(id));
    }
    this.loop = this.run();
  }

  /** Ends the work: the job in progress is queued again, and begins anew at the next start. */
  async close(): Promise<void> {
    this.closing.abort();
    this.running?.stop.abort('close');
    await this.parts.engine.stop();
    this.wake();
    await this.loop;
  }

  /** Aborts when the server is ending. */
  get ending(): AbortSignal {
    return this.closing.signal;
  }

  /** @throws HttpError if there is no such job */
  job(id: string): JobRecord {
    const job = this.parts.jobs.get(id);
    if (!job) throw notFound(`${id}: no such job; it may have been deleted`);
    return job;
  }

  view(job: JobRecord): VideoJob {
    const position = this.order.indexOf(job.id);
    return viewOf(job, this.liveOf(job.id), position < 0 ? null : position);
  }

  liveOf(id: string): JobLive | null {
    const { running } = this;
    // while its beginning is being written, it is still queued
    return running?.job.id === id && running.job.status === 'in_progress' ? running.live : null;
  }

  get runningJob(): JobRecord | null {
    return this.running?.job.status === 'in_progress' ? this.running.job : null;
  }

  /** The job that the engine is for, also while its beginning or its end is being written. */
  get busyWith(): JobRecord | null {
    return this.running?.job ?? null;
  }

  get queued(): JobRecord[] {
    return this.order.map((id) => this.job(id));
  }

  /** Estimated seconds until all jobs so far are made; null if one of them is not known. */
  get waitSeconds(): number | null {
    const ahead = this.queued.map(({ plannedSeconds }) => plannedSeconds);
    const { running } = this;
    if (running) {
      ahead.push(
        running.live.etaMs === null ? running.job.plannedSeconds : running.live.etaMs / 1000,
      );
    }
    return ahead.some((one) => one === null)
      ? null
      : ahead.reduce<number>((sum, one) => sum + one!, 0);
  }

  /** @throws HttpError if as many jobs wait as may, or the server is ending */
  expectRoom(): void {
    this.expectOpen();
    const waiting = this.order.length + this.adding;
    if (waiting < this.parts.most) return;
    throw new HttpError(
      429,
      'queue_full',
      `the queue is full with ${waiting} jobs; wait until one is finished, or cancel one`,
      { headers: { 'retry-after': '10' } },
    );
  }

  /** @throws HttpError if the server is ending: what it does now, nobody would know of */
  expectOpen(): void {
    if (!this.ending.aborted) return;
    throw new HttpError(503, 'closing', 'the server is ending; ask again when it has started', {
      headers: { 'retry-after': '10' },
    });
  }

  async add(job: JobRecord): Promise<void> {
    this.expectRoom();
    this.adding++;
    try {
      await this.parts.jobs.write(job);
    } catch (error) {
      await this.parts.jobs.remove(job.id);
      throw error;
    } finally {
      this.adding--;
    }
    this.order.push(job.id);
    this.tell('queued', job);
    this.wake();
  }

  /** Answers once the engine works on it no more. @throws HttpError if it has ended in another way */
  async cancel(id: string): Promise<JobRecord> {
    this.expectOpen();
    const job = this.job(id);
    if (this.running?.job === job) {
      this.running.stop.abort('cancel');
      await this.running.ended;
    } else if (job.status === 'queued') {
      this.order = this.order.filter((one) => one !== id);
      // two who ask end it once
      const mine = this.cancelling.get(id) ?? this.end(job, { status: 'cancelled' });
      this.cancelling.set(id, mine);
      await mine.finally(() => this.cancelling.delete(id));
    }
    if (job.status === 'cancelled') return job;
    throw wrongState(
      `${id}: is ${job.status} already, so it cannot be cancelled; delete it if it is not wanted`,
    );
  }

  /** Cancels a job if it has not ended, and removes all that is known of it. */
  async remove(id: string): Promise<void> {
    const { status } = this.job(id);
    if (status === 'queued' || status === 'in_progress') await this.cancel(id).catch(ignoreEnded);
    await this.parts.jobs.remove(id);
    this.parts.events.emit({ type: 'deleted', video: { id } }, id);
  }

  async setPaused(paused: boolean): Promise<void> {
    this.paused = paused;
    await this.changed();
    this.wake();
  }

  /** Puts these jobs first, in this order. @throws HttpError for one that is not queued */
  async reorder(ids: readonly string[]): Promise<void> {
    const other = ids.find((id) => !this.order.includes(id));
    if (other !== undefined) {
      throw new HttpError(400, 'not_queued', `ids: ${other} is not queued; leave it out`, {
        param: 'ids',
      });
    }
    const first = [...new Set(ids)];
    this.order = [...first, ...this.order.filter((id) => !first.includes(id))];
    await this.changed();
    for (const job of this.queued) this.tell('queued', job);
  }

  private async run(): Promise<void> {
    while (!this.ending.aborted) {
      const [id] = this.paused ? [] : this.order;
      if (id === undefined) {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
        continue;
      }
      await this.make(this.job(id));
    }
  }

  private async make(job: JobRecord): Promise<void> {
    const stop = new AbortController();
    const live: JobLive = {
      stage: 'starting',
      step: 0,
      steps: 0,
      window: 0,
      windows: null,
      etaMs: null,
      preview: null,
    };
    let ended = () => {};
    this.running = {
      job,
      live,
      clock: new StageClock(live.stage),
      stop,
      ended: new Promise((resolve) => {
        ended = resolve;
      }),
    };
    try {
      await this.parts.jobs.change(job, {
        status: 'in_progress',
        startedMs: Date.now(),
        attempts: job.attempts + 1,
        notes: [],
      });
      this.order = this.order.filter((id) => id !== job.id);
      this.tell('started', job);
      const { engine, openOf, jobs } = this.parts;
      await removeHalfWritten(jobs.folderOf(job.id));
      // no engine is started for a job that is not wanted any more
      stop.signal.throwIfAborted();
      const made = await engine.call(
        'make',
        {
          open: openOf(job.model, job.loras),
          task: job.task,
          options: { ...job.options, seed: parseSeed(job.seed)! },
          allPreviews: this.parts.watched.has(job.id),
          path: join(jobs.folderOf(job.id), job.file),
          fps: job.fps ?? undefined,
          quality: qualityOf(job.request),
        },
        { signal: stop.signal, onEvent: (event) => this.heard(job, live, event) },
      );
      const { width, height, numFrames, fps, bytes, sound, seconds, tokens } = made;
      const text = `${JSON.stringify(made.settings, null, 1)}\n`;
      await writeFile(join(jobs.folderOf(job.id), SETTINGS), text);
      const shape = { width, height, numFrames, fps };
      await this.end(job, {
        status: 'completed',
        shape,
        bytes,
        sound,
        inferenceSeconds: seconds,
        tokens,
      });
    } catch (error) {
      await this.failed(job, stop.signal, error);
    } finally {
      this.order = this.order.filter((id) => id !== job.id || job.status === 'queued');
      this.running = null;
      ended();
    }
  }

  private async failed(job: JobRecord, signal: AbortSignal, error: unknown): Promise<void> {
    await rm(join(this.parts.jobs.folderOf(job.id), job.file), { force: true });
    if (signal.reason === 'close') {
      // if this fails, the disk says that it is in progress, which at the next start means the same
      await this.parts.jobs
        .change(job, { status: 'queued' })
        .catch((problem: Error) => this.parts.say(`${job.id}: ${problem.message}`));
    } else if (signal.reason === 'cancel') {
      await this.end(job, { status: 'cancelled' });
    } else {
      await this.end(job, { status: 'failed', error: errorOf(job, error) });
    }
  }

  private async end(job: JobRecord, changes: JobEnd) {
    const all = { ...changes, endedMs: Date.now() };
    try {
      await this.parts.jobs.change(job, all);
    } catch (error) {
      // it has ended all the same; after a restart it would be made again
      Object.assign(job, all);
      this.parts.say(`${job.id}: its end could not be written (${(error as Error).message})`);
    }
    const stages = this.stagesOf(job);
    if (this.running?.job === job) this.running = null;
    this.tell(changes.status, job);
    this.parts.onEnd(job, stages);
  }

  /** Seconds that a job was in each stage; none if it was not begun. */
  private stagesOf(job: JobRecord): ReadonlyMap<TimedStage, number> {
    const { running } = this;
    if (running?.job !== job || job.startedMs === null) return new Map();
    const queued = Math.max(0, job.startedMs - job.createdMs) / 1000;
    // one that is made again did not wait
    const waited = job.attempts === 1 ? [['queued', queued] as const] : [];
    return new Map([...waited, ...running.clock.end()]);
  }

  private heard(job: JobRecord, live: JobLive, event: MakingEvent): void {
    const { running } = this;
    if (running?.job !== job) return;
    if (event.type === 'note') job.notes.push(inFields(event.text));
    else if (event.type === 'saving') live.stage = 'saving';
    else if (event.type === 'progress') {
      const { phase, step, steps, window, windows, etaMs } = event.progress;
      Object.assign(live, { stage: phase, step, steps, window, windows, etaMs });
    } else if (event.type === 'preview') {
      const { type, ...preview } = event;
      live.preview = preview;
      const data = { type, video: this.view(job), preview: previewView(preview) };
      this.parts.events.emit(data, job.id);
      return;
    }
    running.clock.enter(live.stage);
    this.tell('progress', job);
  }

  private tell(type: JobEvent['type'], job: JobRecord): void {
    this.parts.events.emit({ type, video: this.view(job) }, job.id);
  }

  private async changed(): Promise<void> {
    const { paused, order } = this;
    await writeQueue(this.parts.folder, { paused, order });
    this.parts.events.emit({ type: 'queue', queue: { paused, ids: order } });
  }
}

/** The file beside the result that holds its settings. */
export const SETTINGS = 'settings.json';

/** Removes what an engine that was killed had not finished. */
async function removeHalfWritten(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\.result\..*\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
  }
}

function errorOf(job: JobRecord, error: unknown): ErrorBody {
  // such as a pipeline that has been removed
  if (error instanceof HttpError) return error.body;
  if (!(error instanceof ToldError)) {
    const message = `${job.id}: could not be kept (${(error as Error).message})`;
    return { type: 'server_error', code: 'not_kept', message, param: null, hint: null };
  }
  return errorInFields(error.body, job);
}

function ignoreEnded(error: unknown): void {
  if (!(error instanceof HttpError && error.status === 409)) throw error;
}
