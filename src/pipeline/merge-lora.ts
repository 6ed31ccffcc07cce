/** Merges LoRA changes into the weights of a new pipeline folder. */
import {
  constants,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../errors.js';
import { readJson } from '../files/read-json.js';
import { writeFailure } from '../media/index.js';
import { parseTransformerConfig, Transformer3D } from '../models/transformer/index.js';
import {
  changedWeight,
  disposeLora,
  GET_ANOTHER,
  notNumbers,
  readLora,
  type ScaledLora,
  withParameters,
} from '../nn/index.js';
import { openSafetensors, type Storable, saveSafetensors, tidy, upload } from '../tensor/index.js';
import type { LoraUse } from './folder.js';

export interface MergeReport {
  /** number of weights that were changed */
  weights: number;
  /** number of files that were taken over unchanged */
  files: number;
}

/**
 * Writes a new pipeline folder, atomically. Weights are changed one after the other and keep their
 * dtype; unchanged weight files are hard-linked or cloned where the file system allows it, so they
 * take no more space.
 *
 * @param options.device   where the changes are computed, as named by `resolveDevice`
 * @throws InputError if a LoRA does not fit, or the new folder already exists
 * @throws the signal's reason when it aborts, between files
 */
export async function mergeLoras(
  source: string,
  loras: readonly LoraUse[],
  target: string,
  { signal, device = 'cpu' }: { signal?: AbortSignal; device?: string } = {},
): Promise<MergeReport> {
  expectPlace(source, target);
  const read = readFor(source, loras);
  const temporary = `${resolve(target)}.${process.pid}.tmp`;
  const report = { weights: 0, files: 0 };
  try {
    for (const name of filesIn(source)) {
      await setImmediate();
      signal?.throwIfAborted();
      const [from, to] = [realpathSync(join(source, name)), join(temporary, name)];
      mkdirSync(dirname(to), { recursive: true });
      const isWeights = name.endsWith('.safetensors');
      const changed =
        isWeights && dirname(name) === 'transformer' ? change(from, to, read, device) : 0;
      report.weights += changed;
      if (changed > 0) continue;
      report.files++;
      if (isWeights) linkOrCopy(from, to);
      else copyFileSync(from, to);
    }
    rmSync(target, { recursive: true, force: true }); // an empty folder may be there
    renameSync(temporary, target);
    return report;
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw writeFailure(target, cause);
  } finally {
    for (const lora of read) disposeLora(lora);
  }
}

/** Writes a pipeline folder again at another place, atomically; see `mergeLoras`. */
export async function copyPipeline(source: string, target: string): Promise<void> {
  await mergeLoras(source, [], target);
}

/** @throws InputError unless a new pipeline folder can be written there */
export function expectNewFolder(target: string): void {
  const found = statSync(target, { throwIfNoEntry: false });
  if (found && (!found.isDirectory() || readdirSync(target).length > 0)) {
    throw new InputError(`${target}: already exists; name another folder, or delete it`);
  }
}

function expectPlace(source: string, target: string): void {
  if (!existsSync(join(source, 'model_index.json'))) {
    throw new InputError(
      `${source}: is not a pipeline folder (no model_index.json); name one, as \`mfm train\` writes it`,
    );
  }
  const [from, to] = [realpathSync(source), resolve(target)];
  if (to === from || to.startsWith(from + sep)) {
    throw new InputError(`${target}: is inside the pipeline that is merged; name another folder`);
  }
  expectNewFolder(target);
}

function readFor(source: string, loras: readonly LoraUse[]): ScaledLora[] {
  const path = join(source, 'transformer', 'config.json');
  const config = parseTransformerConfig(readJson(path), path);
  const transformer = withParameters({ device: 'meta' }, () => new Transformer3D(config));
  const read = loras.map(({ path, scale }) => ({ ...readLora(path, transformer), scale }));
  transformer.dispose();
  return read;
}

/** Writes one weight file with its changes. @returns how many weights changed; if 0, nothing is written */
function change(from: string, to: string, loras: readonly ScaledLora[], device: string): number {
  const names = new Set(loras.flatMap(({ weights }) => [...weights.keys()]));
  const file = openSafetensors(from);
  try {
    return tidy(() => {
      let count = 0;
      const tensors = new Map(
        file.keys().map((key): [string, Storable] => {
          const stored = file.get(key);
          const name = key.replace(/\.weight$/, '');
          if (name === key || !names.has(name)) return [key, stored];
          count++;
          const { dtype, shape, numel } = stored;
          const detach = () => {
            const broken = notNumbers(stored);
            if (broken) throw new InputError(`${from}: ${key} holds ${broken}; ${GET_ANOTHER}`);
            return changedWeight(name, upload(stored, device), loras);
          };
          return [key, { dtype, shape, numel, detach }];
        }),
      );
      if (count > 0) saveSafetensors(to, tensors, file.metadata);
      return count;
    });
  } finally {
    file.close();
  }
}

/** Weight files are only ever replaced, never written to, so both folders may share one. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to, constants.COPYFILE_FICLONE); // another file system, or one without links
  }
}

/** Paths of all files within a folder, without hidden ones, such as version control's. */
function filesIn(folder: string, within = ''): string[] {
  const names = readdirSync(join(folder, within)).filter((name) => !name.startsWith('.'));
  return names.sort().flatMap((name) => {
    const path = join(within, name);
    return statSync(join(folder, path)).isDirectory() ? filesIn(folder, path) : [path];
  });
}
