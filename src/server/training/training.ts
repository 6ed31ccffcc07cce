/** Fine-tuning jobs: one at a time trains, beside the engine; the others wait. */
import { rm } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import type { TrainEvent } from '../../train/index.js';
import { checkpointsIn } from '../../train/run/checkpoint-names.js';
import type { EngineChild } from '../engine/child.js';
import { badRequest, HttpError, notFound, problemsIn, ToldError, wrongState } from '../errors.js';
import type { Events } from '../jobs/events.js';
import type { Models } from '../models.js';
import type { ErrorBody } from '../schemas/error.js';
import type { TrainingView } from '../schemas/training.js';
import type { Files } from '../store/files.js';
import { newId, type Shelf } from '../store/shelf.js';
import { gatherData, inFilesWords } from './data.js';
import { type TrainingLive, type TrainingRecord, trainingView } from './job.js';
import { LineLog, lineView, newLine, readLines, type TrainingLine } from './lines.js';
import { TrainingProcess } from './process.js';
import { type FineTuning, recipeOf, refusedRecipe } from './recipe.js';

export interface TrainingParts {
  shelf: Shelf<TrainingRecord>;
  events: Events;
  files: Files;
  models: Models;
  checker: EngineChild;
  /** the folder of runs, which the command line's are in too */
  runs: string;
  /** the folder of data sets that jobs may name; null: there is none */
  dataRoot: string | null;
  say: (sentence: string) => void;
}

interface Running {
  job: TrainingRecord;
  /** null: it has not begun yet */
  process: TrainingProcess | null;
  /** what somebody has asked for, which it is when it has stopped */
  becomes: 'paused' | 'cancelled' | 'queued' | null;
}

export class Training {
  private running: Running | null = null;
  private readonly lives = new Map<string, TrainingLive>();
  private closed = false;
  private ended: Promise<void> = Promise.resolve();

  private readonly log: LineLog;

  constructor(readonly parts: TrainingParts) {
    this.log = new LineLog(parts.say);
  }

  /** Offers what was trained before, and goes on with what was being trained. */
  async start(): Promise<void> {
    const { shelf, say } = this.parts;
    for (const job of shelf.all()) {
      if (job.status === 'running') await shelf.change(job, { status: 'queued' });
      if (job.status === 'succeeded') {
        await this.offer(job).catch((error: Error) => say(`${job.id}: ${error.message}`));
      }
    }
    this.next();
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.running) {
      this.running.becomes ??= 'queued';
      await this.running.process?.stop();
    }
    await this.ended;
    await this.log.written;
  }

  /** @throws HttpError if there is no such job */
  get(id: string): TrainingRecord {
    const job = this.parts.shelf.get(id);
    if (!job) throw notFound(`${id}: no such fine-tuning job; it may have been deleted`);
    return job;
  }

  view(job: TrainingRecord): TrainingView {
    return trainingView(job, this.lives.get(job.id) ?? null);
  }

  runFolder(job: TrainingRecord): string {
    return join(this.parts.runs, job.run);
  }

  /** The folder of a finished job's LoRA. @throws HttpError if it has none */
  loraOf(id: string): string {
    const job = this.get(id);
    if (job.status === 'succeeded' && job.method === 'lora')
      return join(this.runFolder(job), 'lora');
    const reason =
      job.method === 'full'
        ? 'makes a pipeline; name it as `model`'
        : `is ${job.status}, and only a succeeded job has a LoRA; ${remedyFor(job)}`;
    throw new HttpError(409, 'wrong_state', `lora: ${id} ${reason}`, { param: 'lora' });
  }

  async create(asked: FineTuning): Promise<TrainingRecord> {
    const { shelf, models, files, checker, dataRoot } = this.parts;
    const model = models.get(asked.model);
    const id = newId('ftjob');
    const name = nameOf(asked);
    const run = `${name}-${id.slice(-6)}`;
    const folder = await shelf.makeFolder(id);
    try {
      const { manifest, numFiles } = await gatherData(asked, { files, folder, dataRoot });
      const recipe = recipeOf(asked, { name: run, model, manifest });
      await checker
        .call('recipe', { recipe, run: join(this.parts.runs, run) })
        .catch((error: unknown) => {
          const isAsked = error instanceof ToldError && error.body.type === 'invalid_request_error';
          throw isAsked ? refusedRecipe(asked, error.body) : error;
        });
      const job: TrainingRecord = {
        id,
        createdMs: Date.now(),
        status: 'queued',
        model: model.id,
        name,
        run,
        seed: asked.seed ?? 0,
        method: asked.method?.type ?? 'lora',
        asked,
        recipe,
        numFiles,
        startedMs: null,
        endedMs: null,
        error: null,
      };
      await shelf.write(job);
      this.tell(job);
      this.next();
      return job;
    } catch (error) {
      if (!shelf.get(id)) await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Stops it with a checkpoint, or keeps a waiting one from beginning. */
  async pause(id: string): Promise<TrainingRecord> {
    const job = this.get(id);
    await this.endAs(job, 'paused');
    if (job.status === 'paused') return job;
    throw wrongState(
      `${id}: is ${job.status}, so it cannot be paused; only a queued or running job can`,
    );
  }

  async cancel(id: string): Promise<TrainingRecord> {
    const job = this.get(id);
    if (job.status === 'paused')
      await this.changed(job, { status: 'cancelled', endedMs: Date.now() });
    else await this.endAs(job, 'cancelled');
    if (job.status === 'cancelled') return job;
    throw wrongState(
      `${id}: is ${job.status} already, so it cannot be cancelled; delete it if it is not wanted`,
    );
  }

  /** A failed one goes on from its last checkpoint, too. */
  async resume(id: string): Promise<TrainingRecord> {
    const job = this.get(id);
    if (job.status !== 'paused' && job.status !== 'failed') {
      throw wrongState(
        `${id}: is ${job.status}, so it cannot be resumed; only a paused or failed job can`,
      );
    }
    await this.changed(job, { status: 'queued', error: null, endedMs: null });
    this.next();
    return job;
  }

  async remove(id: string): Promise<void> {
    const job = this.get(id);
    if (['queued', 'running', 'paused'].includes(job.status))
      await this.cancel(id).catch(ignoreEnded);
    this.parts.models.remove(id);
    this.lives.delete(id);
    await this.log.written;
    await rm(this.runFolder(job), { recursive: true, force: true });
    await this.parts.shelf.remove(id);
  }

  /** What happened, the newest last. */
  lines(id: string): TrainingLine[] {
    return readLines(this.parts.shelf.folderOf(this.get(id).id));
  }

  private async endAs(job: TrainingRecord, status: 'paused' | 'cancelled'): Promise<void> {
    const { running } = this;
    if (running?.job === job) {
      // who cancels it means it for good
      if (running.becomes !== 'cancelled') running.becomes = status;
      const { ended } = this;
      await running.process?.stop();
      await ended;
    } else if (job.status === 'queued') {
      await this.changed(job, {
        status,
        ...(status === 'cancelled' ? { endedMs: Date.now() } : {}),
      });
    }
  }

  /** Begins the oldest job that waits, if none is running. */
  private next(): void {
    if (this.running || this.closed) return;
    const job = this.parts.shelf
      .all()
      .filter(({ status }) => status === 'queued')
      .at(-1);
    if (!job) return;
    // at once, so that nobody else begins it
    this.running = { job, process: null, becomes: null };
    this.ended = this.run(this.running);
  }

  private async run(running: Running): Promise<void> {
    try {
      await this.finish(running, await this.train(running), null);
    } catch (error) {
      await this.finish(running, false, error);
    }
    this.running = null;
    this.next();
  }

  /** @returns was it trained to the end? */
  private async train(running: Running): Promise<boolean> {
    const { job } = running;
    const folder = resolve(this.runFolder(job));
    const resumes = hasCheckpoint(folder);
    const notes = this.lives.get(job.id)?.notes ?? [];
    const live: TrainingLive = {
      part: null,
      step: 0,
      steps: 0,
      doing: null,
      beginStep: -1,
      beginMs: Date.now(),
      notes,
    };
    this.lives.set(job.id, live);
    // a run that was ended before its first checkpoint has nothing to go on from
    if (!resumes) await rm(folder, { recursive: true, force: true });
    await this.changed(job, { status: 'running', startedMs: job.startedMs ?? Date.now() });
    // somebody may have stopped it meanwhile
    if (running.becomes !== null) return false;
    running.process = new TrainingProcess({
      recipe: job.recipe,
      run: folder,
      resume: resumes,
      onEvent: (event) => this.heard(job, live, event),
    });
    return running.process.outcome;
  }

  private async finish(running: Running, finished: boolean, error: unknown): Promise<void> {
    const { job } = running;
    const changes = await this.endOf(running, finished, error);
    if (changes.error) this.note(job, { level: 'error', message: changes.error.message });
    try {
      await this.changed(job, changes);
    } catch (problem) {
      Object.assign(job, changes);
      this.parts.say(`${job.id}: its end could not be written (${(problem as Error).message})`);
    }
  }

  private async endOf(
    { job, becomes }: Running,
    finished: boolean,
    error: unknown,
  ): Promise<Partial<TrainingRecord>> {
    const endedMs = Date.now();
    const failed = (problem: unknown) => {
      const { message, hint, ...rest } = errorOf(problem);
      const error = {
        ...rest,
        message: this.inWords(job, problemsIn(message).join('; ')),
        hint: hint && this.inWords(job, hint),
      };
      return { status: 'failed', endedMs, error } as const;
    };
    if (finished) {
      try {
        await this.offer(job);
        return { status: 'succeeded', endedMs };
      } catch (problem) {
        return failed(problem);
      }
    }
    // one that takes too long to stop is killed
    const isAsked = error === null || errorOf(error).code === 'training_died';
    if (becomes === 'cancelled') return { status: becomes, endedMs };
    if (becomes !== null && isAsked) return { status: becomes };
    return failed(error);
  }

  /** A pipeline that was trained can be asked for by the job's id. */
  private async offer(job: TrainingRecord): Promise<void> {
    if (job.method !== 'full') return;
    await this.parts.models.add(resolve(this.runFolder(job), 'pipeline'), job.id);
  }

  private heard(job: TrainingRecord, live: TrainingLive, event: TrainEvent): void {
    if (event.type === 'status') {
      const { part, step, steps, doing = null } = event;
      Object.assign(live, { part, step, steps, doing });
      this.tell(job);
    } else if (event.type === 'metrics') {
      if (live.beginStep < 0) Object.assign(live, { beginStep: event.step, beginMs: Date.now() });
      Object.assign(live, { part: event.part, step: event.step });
      const { part, step, figures } = event;
      this.note(job, {
        message: `${part}: step ${step}`,
        type: 'metrics',
        data: { part, step, ...figures },
      });
      this.tell(job);
    } else if (event.type === 'note') {
      const message = this.inWords(job, event.text);
      live.notes.push(message);
      this.note(job, { message });
    } else if (event.type === 'checkpoint') {
      this.note(job, { message: `${event.part}: checkpoint at step ${event.step}` });
    } else if (event.type === 'sample') {
      this.note(job, { message: `${event.part}: samples at step ${event.step}` });
    } else if (event.type === 'phase' && event.within === null) {
      this.note(job, { message: this.inWords(job, event.label) });
    }
  }

  /** A sentence of the training without places on the server's disk. */
  private inWords(job: TrainingRecord, sentence: string): string {
    const { runs, shelf } = this.parts;
    const { data } = job.recipe;
    const { manifest } = (Array.isArray(data) ? data[0] : {}) as { manifest?: string };
    const told = inFilesWords(sentence, {
      asked: job.asked,
      folder: shelf.folderOf(job.id),
      manifest,
    });
    return told.replaceAll(`${resolve(runs)}${sep}`, '');
  }

  private note(job: TrainingRecord, what: Partial<TrainingLine> & { message: string }): void {
    const line = newLine(what);
    this.log.add(this.parts.shelf.folderOf(job.id), line);
    this.parts.events.emit(
      { type: 'fine_tuning_event', job: job.id, event: lineView(line) },
      job.id,
    );
  }

  private async changed(job: TrainingRecord, changes: Partial<TrainingRecord>): Promise<void> {
    await this.parts.shelf.change(job, changes);
    this.note(job, { message: `the job is ${job.status}` });
    this.tell(job);
  }

  private tell(job: TrainingRecord): void {
    this.parts.events.emit({ type: 'fine_tuning', job: this.view(job) }, job.id);
  }
}

/** How a job that has not succeeded may still do so. */
function remedyFor({ status }: TrainingRecord): string {
  if (status === 'queued' || status === 'running') return 'wait for it';
  return status === 'cancelled' ? 'name another' : 'resume it';
}

/** The name that is asked for, in either field. @throws HttpError if they differ */
function nameOf({ name, suffix }: FineTuning): string {
  const differ = name !== undefined && suffix != null && name !== suffix;
  if (differ) throw badRequest('suffix: name says it, too; leave one of them out', 'suffix');
  return name ?? (suffix?.replace(/[^\w-]+/g, '-').replace(/^-+/, '') || 'finetune');
}

const hasCheckpoint = (run: string): boolean => checkpointsIn(join(run, 'checkpoints')).length > 0;

function errorOf(error: unknown): ErrorBody {
  if (error instanceof ToldError) return error.body;
  const message = `the training cannot go on (${error instanceof Error ? error.message : String(error)})`;
  return { type: 'server_error', code: 'internal', message, param: null, hint: null };
}

function ignoreEnded(error: unknown): void {
  if (!(error instanceof HttpError && error.status === 409)) throw error;
}
