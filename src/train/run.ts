/**
 * The run folder: recipe, metrics, checkpoints, samples, and the finished pipeline.
 *
 *     runs/NAME/recipe.json            the resolved recipe
 *     runs/NAME/metrics.jsonl          a line every few steps
 *     runs/NAME/samples/*.png          sheets
 *     runs/NAME/checkpoints/PART-STEP  the last two of each part
 *     runs/NAME/latents/*.safetensors  the encoded data set
 *     runs/NAME/pipeline/              the result, as `mfm generate` opens it
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { InputError } from '../errors.js';
import { openSafetensors, saveSafetensors, type Tensor } from '../tensor/index.js';
import type { Recipe } from './config.js';

/** Everything that a part needs to go on: tensors by file, and figures. */
export interface Checkpoint {
  tensors: Record<string, Record<string, Tensor>>;
  state: { step: number; seconds: number };
}

const KEEP = 2;

export class Run {
  private constructor(readonly folder: string) {}

  /**
   * Starts a run, or goes on with one.
   * @throws InputError if the folder holds a run and `resume` is not set, or another recipe's run
   */
  static open(folder: string, recipe: Recipe, { resume = false } = {}): Run {
    const run = new Run(folder);
    const file = run.path('recipe.json');
    if (existsSync(file)) {
      if (!resume) {
        throw new InputError(
          `${folder}: holds a run already; --resume goes on with it, --run FOLDER starts another`,
        );
      }
      const before = JSON.parse(readFileSync(file, 'utf8'));
      if (!isDeepStrictEqual(before, JSON.parse(JSON.stringify(recipe)))) {
        process.stderr.write(`${folder}: the recipe has changed since the run began\n`);
      }
    }
    for (const name of ['samples', 'checkpoints', 'latents']) {
      mkdirSync(run.path(name), { recursive: true });
    }
    run.write('recipe.json', JSON.stringify(recipe, null, 2));
    return run;
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Writes a small file, atomically. */
  write(name: string, text: string): void {
    const temporary = this.path(`${name}.tmp`);
    writeFileSync(temporary, text);
    renameSync(temporary, this.path(name));
  }

  /** Adds a line to metrics.jsonl. */
  log(part: string, step: number, figures: Record<string, number>): void {
    const line = JSON.stringify({ part, step, time: new Date().toISOString(), ...figures });
    appendFileSync(this.path('metrics.jsonl'), `${line}\n`);
  }

  /** Writes a checkpoint whole or not at all; only the last ones stay. */
  saveCheckpoint(part: string, { tensors, state }: Checkpoint): void {
    const name = `${part}-${String(state.step).padStart(8, '0')}`;
    const target = this.path('checkpoints', name);
    const temporary = `${target}.tmp`;
    rmSync(temporary, { recursive: true, force: true });
    for (const [file, values] of Object.entries(tensors)) {
      saveSafetensors(join(temporary, `${file}.safetensors`), values);
    }
    writeFileSync(join(temporary, 'state.json'), JSON.stringify(state));
    rmSync(target, { recursive: true, force: true });
    renameSync(temporary, target);
    for (const old of this.checkpoints(part).slice(0, -KEEP)) {
      rmSync(this.path('checkpoints', old), { recursive: true });
    }
  }

  /** The newest checkpoint of a part; its tensors are mapped. */
  loadCheckpoint(part: string): Checkpoint | null {
    const name = this.checkpoints(part).at(-1);
    if (!name) return null;
    const folder = this.path('checkpoints', name);
    const tensors: Checkpoint['tensors'] = {};
    for (const file of readdirSync(folder).filter((f) => f.endsWith('.safetensors'))) {
      const open = openSafetensors(join(folder, file));
      tensors[file.replace('.safetensors', '')] = Object.fromEntries(
        open.keys().map((key) => [key, open.get(key)]),
      );
    }
    return { tensors, state: JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) };
  }

  private checkpoints(part: string): string[] {
    return readdirSync(this.path('checkpoints'))
      .filter((name) => name.startsWith(`${part}-`) && /-\d{8}$/.test(name))
      .sort();
  }
}
