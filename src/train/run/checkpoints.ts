/**
 * Checkpoints, which are either complete or not there at all, and are verified when they are read.
 *
 *     checkpoints/PART-STEP/weights.safetensors
 *     checkpoints/PART-STEP/optimizer.safetensors             with one process
 *     checkpoints/PART-STEP/optimizer-00001-of-00004.safetensors   with several: what each holds
 *     checkpoints/PART-STEP/state.json                        the state of the loop
 *     checkpoints/PART-STEP/checksums.json                    SHA-256 of the files, written last
 *
 * A folder is written under another name and then renamed, so a process that is killed leaves no
 * half-written checkpoint. Any number of processes can read what any other number has written.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { ALONE, type Parallel } from '../../distributed/parallel.js';
import { DistributedError, InputError, JobError } from '../../errors.js';
import { fileSha256 } from '../../files/file-hash.js';
import { openSafetensors, saveSafetensors, type Tensor, tidy } from '../../tensor/index.js';
import { type CheckpointName, checkpointName, checkpointsIn } from './checkpoint-names.js';

/** Tensors by file, then by name. */
export type CheckpointTensors = Record<string, Record<string, Tensor>>;

export interface NewCheckpoint<State> {
  /** the same in all processes */
  shared: CheckpointTensors;
  /** what this process alone holds */
  own: CheckpointTensors;
  state: State & { step: number };
}

export interface Keep {
  /** number of newest checkpoints to keep */
  last: number;
  /** checkpoints at multiples of this many steps are kept too */
  milestoneEverySteps?: number;
}

export interface LoadOptions {
  say?: (sentence: string) => void;
  beforeStep?: number;
}

export class Checkpoints<State> {
  /** @param folder   `checkpoints` of a run */
  constructor(
    readonly folder: string,
    private readonly part: string,
    private readonly parallel: Parallel = ALONE,
  ) {}

  /**
   * Writes a checkpoint, in all processes, which must see the same folder; deletes older ones.
   * @returns its folder
   * @throws JobError if it cannot be written: nothing remains of it, and the older ones stay
   */
  async save({ shared, own, state }: NewCheckpoint<State>, keep: Keep): Promise<string> {
    const { rank, size } = this.parallel;
    const target = join(this.folder, checkpointName(this.part, state.step));
    const temporary = `${target}.tmp`;
    await this.write(target, () => {
      if (rank !== 0) return;
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary, { recursive: true });
    });

    const checksums = await this.write(target, () => {
      const files = Object.entries(own).map(
        ([file, tensors]) => [shardName(file, rank, size), tensors] as const,
      );
      if (rank === 0) files.push(...Object.entries(shared));
      return Object.fromEntries(
        files.map(([file, tensors]) => {
          const name = `${file}.safetensors`;
          saveSafetensors(join(temporary, name), tensors);
          return [name, fileSha256(join(temporary, name))];
        }),
      );
    });
    await this.write(target, () => {
      if (rank !== 0) return;
      const stateFile = join(temporary, 'state.json');
      writeFileSync(stateFile, JSON.stringify(state));
      const all = { ...Object.assign({}, ...checksums), 'state.json': fileSha256(stateFile) };
      const absent = Object.keys(all).find((name) => !existsSync(join(temporary, name)));
      if (absent) throw new Error(`${absent}, which another process wrote, is missing`);
      writeFileSync(join(temporary, 'checksums.json'), JSON.stringify(all, null, 2));
      syncFile(stateFile);
      syncFile(join(temporary, 'checksums.json'));
      // an older checkpoint of the same step is renamed first, as deleting it here would take too long
      const old = `${target}.old`;
      if (existsSync(target)) renameSync(target, old);
      renameSync(temporary, target);
      syncFile(this.folder);
      rmSync(old, { recursive: true, force: true });
      this.deleteOld(state.step, keep);
    });
    return target;
  }

  /**
   * Passes the tensors of the newest intact checkpoint to `restore`, which must copy what it needs:
   * they are mapped, and unmapped afterwards. Damaged checkpoints are reported and passed over.
   *
   * @param options.say          receives a sentence about each damaged checkpoint
   * @param options.beforeStep   considers only checkpoints of earlier steps
   * @returns its state; null if there is no checkpoint
   * @throws InputError if there are checkpoints, and all are damaged
   */
  async load(
    restore: (tensors: CheckpointTensors, folder: string) => void,
    { say = () => {}, beforeStep = Infinity }: LoadOptions = {},
  ): Promise<(State & { step: number }) | null> {
    // one process looks for all of them
    const [found] = await this.parallel.together(() =>
      this.parallel.rank === 0 ? this.newestWhole(say, beforeStep) : null,
    );
    if (!found) return null;
    const folder = join(this.folder, found);
    const names = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
    const files = names.map((name) => ({ name, file: openSafetensors(join(folder, name)) }));
    try {
      tidy(() => {
        const tensors: CheckpointTensors = {};
        for (const { name, file } of files) {
          const group = name.replace(/(-\d+-of-\d+)?\.safetensors$/, '');
          tensors[group] ??= {};
          for (const key of file.keys()) tensors[group][key] = file.get(key);
        }
        restore(tensors, folder);
      });
    } finally {
      for (const { file } of files) file.close();
    }
    return JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8'));
  }

  private newestWhole(say: (sentence: string) => void, beforeStep: number): string | null {
    const names = this.finished()
      .filter(({ step }) => step < beforeStep)
      .map(({ name }) => name);
    const problems: string[] = [];
    for (const name of names.toReversed()) {
      const problem = damageOf(join(this.folder, name));
      if (!problem) return name;
      problems.push(`${join(this.folder, name)}: ${problem}`);
      say(`${problems.at(-1)}; the one before it is used`);
    }
    if (names.length === 0) return null;
    throw new InputError(
      `${problems[0]}; no other checkpoint is intact: restore a copy, begin another run with \`run: FOLDER\`, or delete ${dirname(this.folder)} to start over`,
    );
  }

  /** Does a part of the writing. @throws JobError in all processes if it fails in one */
  private async write<T>(target: string, fn: () => T): Promise<T[]> {
    try {
      return await this.parallel.together(fn);
    } catch (error) {
      if (error instanceof DistributedError) throw error;
      if (this.parallel.rank === 0) removeQuietly(`${target}.tmp`);
      throw new JobError(`${target}: cannot be written (${(error as Error).message})`);
    }
  }

  /**
   * Also deletes checkpoints of later steps, which were passed over as damaged: they must not count
   * as newest.
   */
  private deleteOld(newest: number, { last, milestoneEverySteps }: Keep): void {
    const finished = this.finished();
    const later = finished.filter(({ step }) => step > newest);
    for (const { name } of later) rmSync(join(this.folder, name), { recursive: true });
    const kept = finished.filter(({ step }) => step <= newest);
    for (const { name, step } of kept.slice(0, -last)) {
      if (milestoneEverySteps && step > 0 && step % milestoneEverySteps === 0) continue;
      rmSync(join(this.folder, name), { recursive: true });
    }
  }

  /** Finished checkpoints of the part, oldest first. */
  private finished(): CheckpointName[] {
    return checkpointsIn(this.folder).filter(({ part }) => part === this.part);
  }
}

/** Ignores errors: the first error is the one to report. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // part of the path is not a folder, so there is nothing to remove
  }
}

const shardName = (file: string, rank: number, size: number): string => {
  const digits = (value: number) => String(value).padStart(5, '0');
  return size === 1 ? file : `${file}-${digits(rank)}-of-${digits(size)}`;
};

/** What is wrong with a checkpoint; null if it is intact. */
function damageOf(folder: string): string | null {
  let checksums: Record<string, string>;
  try {
    checksums = JSON.parse(readFileSync(join(folder, 'checksums.json'), 'utf8'));
  } catch {
    return 'has no readable checksums.json';
  }
  for (const [name, checksum] of Object.entries(checksums)) {
    const path = join(folder, name);
    if (!existsSync(path)) return `${name} is missing`;
    if (fileSha256(path) !== checksum) return `${name} is damaged`;
  }
  return null;
}

function syncFile(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
