/**
 * The run folder: recipe, metrics, checkpoints, samples, and the finished pipeline.
 *
 *     runs/NAME/recipe.json            the resolved recipe
 *     runs/NAME/status.json            its state and progress
 *     runs/NAME/metrics.jsonl          one line every few steps
 *     runs/NAME/tensorboard/           the same figures and the sheets, for TensorBoard
 *     runs/NAME/samples/*.png          sample sheets
 *     runs/NAME/checkpoints/PART-STEP  the newest of each part, see `Checkpoints`
 *     runs/NAME/bad-batches/           batches of skipped steps
 *     runs/NAME/cache/                 the encoded data set
 *     runs/NAME/pipeline/              the result, which `mfm generate` opens
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { ALONE, type Parallel } from '../../distributed/parallel.js';
import { InputError } from '../../errors.js';
import { makeFolder } from '../../files/make-folder.js';
import { isStopCode } from '../../processes/stop-signals.js';
import type { Recipe } from '../recipe/config.js';
import { Checkpoints } from './checkpoints.js';
import { awaitOtherMachine, type Lock, takeLock } from './lock.js';
import { expectToBegin, expectToGoOn } from './run-contents.js';
import type { RunEvent } from './run-event.js';
import { type RunStatus, readStatus } from './status.js';
import { asStored, recipeChanges } from './stored-recipe.js';
import { EventWriter } from './tensorboard/events.js';

export interface RunOptions {
  /** resumes the run that the folder holds */
  resume?: boolean;
  parallel?: Parallel;
  /** receives notes for people, a sentence each */
  say?: (sentence: string) => void;
  /** receives the run's events, in the first process of a job */
  onEvent?: (event: RunEvent) => void;
}

export class Run {
  private status: Omit<RunStatus, 'updated' | 'pid' | 'host'> = {
    state: 'running',
    part: '',
    stage: '',
    step: 0,
    steps: 0,
  };
  private diskWasFull = false;
  private events: EventWriter | null = null;
  private lock: Lock | null = null;
  private newRecipe: string | null = null;

  readonly parallel: Parallel;
  private readonly say: (sentence: string) => void;
  private readonly onEvent: (event: RunEvent) => void;

  private constructor(
    readonly folder: string,
    { parallel = ALONE, say = () => {}, onEvent = () => {} }: RunOptions,
  ) {
    this.parallel = parallel;
    this.say = say;
    this.onEvent = onEvent;
  }

  /**
   * Begins a run, or resumes one. A run that failed before its first checkpoint has nothing to resume
   * from, and begins again.
   * @throws InputError if the folder holds a run and `resume` is not set, or a run that is being trained
   * now, has lost its checkpoints, or would resume with other weights
   */
  static open(folder: string, recipe: Recipe, options: RunOptions = {}): Run {
    const run = new Run(folder, options);
    const { resume = false } = options;
    if (run.parallel.rank !== 0) return run;
    const file = run.path('recipe.json');
    if (!resume) expectToBegin(folder);
    else if (!existsSync(folder)) run.say(`${folder}: holds no run yet; a new one begins`);
    makeFolder(folder);
    const lock = takeLock(folder);
    if ('heldBy' in lock) {
      const { host, pid, path } = lock.heldBy;
      const [where, remedy] =
        host === hostname() ? ['', ''] : [` of ${host}`, `, or delete ${path} if that is gone`];
      throw new InputError(
        `${folder}: is being trained by process ${pid}${where}; wait for it or stop it, or use \`run: FOLDER\`${remedy}`,
      );
    }
    run.lock = lock;
    if (openRuns.size === 0) process.on('exit', cutOffAll);
    openRuns.add(run);
    for (const at of ['.', 'checkpoints', 'samples', 'bad-batches']) finishRenames(run.path(at));
    try {
      if (resume) expectToGoOn(folder, recipe);
    } catch (error) {
      run.close();
      throw error;
    }
    const changes = resume && existsSync(file) ? recipeChanges(folder, recipe) : '';
    if (changes) run.say(`${folder}: ${changes}`);
    for (const name of ['samples', 'checkpoints', 'cache']) {
      mkdirSync(run.path(name), { recursive: true });
    }
    const metrics = run.path('metrics.jsonl');
    if (existsSync(metrics)) {
      const text = readFileSync(metrics);
      const whole = text.lastIndexOf('\n') + 1;
      if (whole < text.length) truncateSync(metrics, whole);
    }
    const text = JSON.stringify(asStored(recipe), null, 2);
    if (resume && existsSync(file)) run.newRecipe = text;
    else run.write('recipe.json', text);
    const { part, stage, step, steps } = readStatus(folder) ?? run.status;
    run.setStatus({ part, stage, step, steps });
    return run;
  }

  /**
   * Stores the recipe of a resumed run, once training has begun: before that, it may turn out not
   * to fit.
   */
  keepRecipe(): void {
    const { newRecipe } = this;
    if (newRecipe !== null) this.inFirst(() => this.write('recipe.json', newRecipe));
    this.newRecipe = null;
  }

  /**
   * Does what `open` does, in all processes of a job, which must see the same folder.
   * @throws InputError in all processes if one of them cannot open it
   */
  static async openTogether(
    folder: string,
    recipe: Recipe,
    options: RunOptions & { parallel: Parallel },
  ): Promise<Run> {
    const { parallel, resume, say = () => {} } = options;
    let run: Run | null = null;
    const [written] = await parallel.together(async () => {
      if (parallel.rank === 0 && resume) await awaitOtherMachine(folder, say);
      run = Run.open(folder, recipe, options);
      return readStatus(folder);
    });
    await parallel.together(() => (written ? expectToSee(folder, written) : undefined));
    return run!;
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  checkpoints<State>(part: string): Checkpoints<State> {
    return new Checkpoints<State>(this.path('checkpoints'), part, this.parallel);
  }

  /** Writes a small file, atomically. */
  write(name: string, text: string): void {
    const temporary = this.path(`${name}.tmp`);
    try {
      writeFileSync(temporary, text);
      renameSync(temporary, this.path(name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  /** Updates status.json, which tells other programs how far the run is. */
  setStatus(changes: Partial<typeof this.status>): void {
    this.status = { ...this.status, ...changes };
    this.inFirst(() => {
      const updated = new Date().toISOString();
      const status: RunStatus = { ...this.status, updated, pid: process.pid, host: hostname() };
      this.write('status.json', JSON.stringify(status));
    });
    this.emit({ type: 'status', ...this.status });
  }

  /** Emits an event, once for all processes. */
  emit(event: RunEvent): void {
    if (this.parallel.rank === 0) this.onEvent(event);
  }

  /** Begins to record a part's figures; those of `firstStep` and later replace earlier ones. */
  beginPart(part: string, firstStep: number): void {
    this.events?.close();
    this.events = null;
    this.inFirst(() => {
      this.events = new EventWriter(this.path('tensorboard', part), { firstStep });
    });
  }

  /** Adds a line to metrics.jsonl, and the figures to TensorBoard's. */
  log(part: string, step: number, figures: Record<string, number>): void {
    const time = new Date().toISOString();
    this.inFirst(() => {
      const line = JSON.stringify({ part, step, time, ...figures });
      appendWhole(this.path('metrics.jsonl'), `${line}\n`);
      this.events?.scalars(figures, step);
    });
    this.emit({ type: 'metrics', part, step, time, figures });
  }

  /** Adds a sample sheet to TensorBoard's files. */
  logSheet(tag: string, path: string, step: number): void {
    this.inFirst(() => this.events?.image(tag, readFileSync(path), step));
    this.emit({ type: 'sample', part: this.status.part, step, path });
  }

  /**
   * Writes something that the run can do without: if the disk cannot take it, this is reported once,
   * and training goes on.
   */
  unlessFull(write: () => void): void {
    try {
      write();
      this.diskWasFull = false;
    } catch (error) {
      if (!isDiskProblem(error)) throw error;
      this.sayFull(error as Error);
    }
  }

  /** Does the same, in the first process of a job only. */
  private inFirst(write: () => void): void {
    if (this.parallel.rank === 0) this.unlessFull(write);
  }

  /** Reports that the disk is full; once, until something can be written again. */
  sayFull({ message }: Error): void {
    if (!this.diskWasFull) this.say(`${this.folder}: cannot be written (${message})`);
    this.diskWasFull = true;
  }

  /** Records that the program ends in the middle of the run: at a second Ctrl-C, or unexpectedly. */
  cutOff(exitCode: number): void {
    const message = `the program ended with exit code ${exitCode}`;
    if (this.status.state === 'running' && existsSync(this.folder)) {
      this.setStatus(isStopCode(exitCode) ? { state: 'stopped' } : { state: 'failed', message });
    }
    this.close();
  }

  /** Releases the run, so that other processes may train it. */
  close(): void {
    openRuns.delete(this);
    if (openRuns.size === 0) process.off('exit', cutOffAll);
    this.events?.close();
    this.events = null;
    this.lock?.release();
  }
}

/** The open runs of this process. */
const openRuns = new Set<Run>();

/** Handles the end of the process while any run is open. */
function cutOffAll(exitCode: number): void {
  for (const run of openRuns) run.cutOff(exitCode);
}

/** How long a network file system may take to show what another machine has written. */
const LATE_SECONDS = 60;

/**
 * Waits for what the first process has written.
 * @throws InputError if it does not appear in the folder
 */
export async function expectToSee(
  folder: string,
  { host, pid }: RunStatus,
  lateSeconds = LATE_SECONDS,
): Promise<void> {
  const endMs = performance.now() + lateSeconds * 1000;
  for (;;) {
    const seen = readStatus(folder);
    if (seen?.host === host && seen.pid === pid) return;
    if (performance.now() > endMs) break;
    await setTimeout(Math.min(500, lateSeconds * 1000));
  }
  throw new InputError(
    `${resolve(folder)}: is not the same folder on ${hostname()} as on ${host}; all processes need the same one: give \`run\` a folder that all machines share`,
  );
}

/** Names that a process which is killed leaves; whatever else is in a run's folder is somebody's own. */
const LEFT =
  /^(\..+\.[0-9a-f]+\.tmp|(recipe|status)\.json\.tmp|(pipeline|depth_model)\.\d+\.(tmp|old)|.+-\d{8}\.(tmp|old))$/;

/**
 * Cleans up after a process that was killed: removes what it had begun to write, and restores what it
 * had renamed but not yet replaced.
 */
function finishRenames(folder: string): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder).filter((one) => LEFT.test(one))) {
    const path = join(folder, name);
    const put = /^(.*?)(\.\d+)?\.old$/.exec(name)?.[1];
    if (put && !existsSync(join(folder, put))) renameSync(path, join(folder, put));
    else rmSync(path, { recursive: true });
  }
}

/** Appends all of the text or nothing: on a full disk, a part of a line would spoil what follows. */
function appendWhole(path: string, text: string): void {
  const file = openSync(path, 'a');
  const { size } = fstatSync(file);
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
  } catch (error) {
    ftruncateSync(file, size);
    throw error;
  } finally {
    closeSync(file);
  }
}

const DISK_PROBLEMS = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EFBIG'];

/** Is the disk to blame, because it is full, over its quota or broken? */
export function isDiskProblem(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: unknown };
  return DISK_PROBLEMS.includes(code ?? '') || (cause !== undefined && isDiskProblem(cause));
}
