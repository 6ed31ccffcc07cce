/**
 * Determines which fixtures a folder holds. Every file must belong to a family that is checked, be named
 * in a side-car, or be the folder's README: an unknown file is an error, not a pass.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { unreadable } from '../../files/regular-file.js';
import { pipelineOf } from './fixture.js';
import type { Verifier } from './types.js';

export interface Family {
  name: string;
  load(): Promise<Verifier>;
  /** the side-cars among `files` that belong to this family */
  sideCars(files: Files): string[];
  /** files of weights and data that belong to a side-car without being named in it */
  companions(sideCar: string): string[];
  /** the subfolders of `folder` that hold fixtures of this family */
  folders?(folder: string, names: string[]): string[];
}

/** A folder's file names, and the contents of its JSON files. */
interface Files {
  names: string[];
  json(name: string): Record<string, unknown>;
}

export const families: Family[] = [
  {
    name: 'transformer',
    load: async () => (await import('./transformer.js')).verifyTransformer,
    sideCars: ({ names }) => matching(names, /^(tx_.*|rope|scheduler|micro)\.json$/),
    companions: () => [],
  },
  {
    name: 'training',
    load: async () => (await import('./training.js')).verifyTraining,
    sideCars: ({ names }) => matching(names, /^train_.*\.json$/),
    companions: (sideCar) =>
      ['initial', 'final', 'ema', 'data'].map((part) => `${stem(sideCar)}_${part}.safetensors`),
  },
  {
    name: 'vae',
    load: async () => (await import('./vae.js')).verifyVae,
    sideCars: (files) =>
      files.names.includes('config.json') &&
      files.json('config.json')._class_name === 'AutoencoderKLCogVideoX'
        ? ['config.json', ...cases(files)]
        : [],
    companions: (sideCar) => (sideCar === 'config.json' ? ['weights.safetensors'] : []),
  },
  {
    name: 't5',
    load: async () => (await import('./t5.js')).verifyT5,
    sideCars: (files) => {
      const others = depthConfigs(files);
      const configs = matching(files.names, /_config\.json$/).filter(
        (name) => !others.includes(name),
      );
      const prefixes = configs.map((config) => config.slice(0, -'config.json'.length));
      return [
        ...configs,
        ...cases(files).filter((name) => prefixes.some((prefix) => name.startsWith(prefix))),
      ];
    },
    companions: (sideCar) =>
      sideCar.endsWith('_config.json')
        ? [sideCar.replace(/config\.json$/, 'weights.safetensors')]
        : [],
  },
  {
    name: 'pipeline',
    load: async () => (await import('./pipeline.js')).verifyPipeline,
    sideCars: () => [],
    companions: () => [],
    folders: pipelineFolders,
  },
  {
    name: 'depth',
    load: async () => (await import('./depth.js')).verifyDepth,
    sideCars: (files) => {
      const known = /^(depth|dinov2)_/;
      return [
        ...depthConfigs(files),
        ...cases(files).filter((name) => known.test(files.json(name).kind as string)),
      ];
    },
    companions: (sideCar) =>
      sideCar.endsWith('config.json')
        ? [sideCar.replace(/config\.json$/, 'weights.safetensors')]
        : [],
  },
];

function depthConfigs({ names, json }: Files): string[] {
  return matching(names, /config\.json$/).filter(
    (name) => json(name).model_type === 'depth_anything',
  );
}

/**
 * The families whose fixtures `folder` holds.
 *
 * @throws InputError if the folder cannot be read, holds no
 *    fixtures, or holds a file that no family knows
 */
export function familiesOf(folder: string): Family[] {
  const files = read(folder);
  const known = new Set(['README.md']);
  const found = families.filter((family) => {
    const sideCars = family.sideCars(files);
    for (const sideCar of sideCars) {
      known.add(sideCar);
      for (const name of family.companions(sideCar)) known.add(name);
      for (const name of fileNames(files.json(sideCar))) known.add(name);
    }
    const folders = family.folders?.(folder, files.names) ?? [];
    for (const name of folders) known.add(name);
    return sideCars.length + folders.length > 0;
  });
  if (found.length === 0) {
    const names = families.map(({ name }) => name).join(', ');
    throw new InputError(`${folder}: must hold fixtures of ${names}, got none that is known`);
  }
  const unknown = files.names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new InputError(
      `${folder}: every file must be known to a verifier, got ${unknown.join(', ')}`,
    );
  }
  return found;
}

function read(folder: string): Files {
  let names: string[];
  try {
    names = readdirSync(folder).sort();
  } catch (cause) {
    throw unreadable(folder, cause);
  }
  const parsed = new Map<string, Record<string, unknown>>();
  return {
    names,
    json(name) {
      let value = parsed.get(name);
      if (!value) {
        value = parse(join(folder, name));
        parsed.set(name, value);
      }
      return value;
    },
  };
}

function parse(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new InputError(`${path}: must be a JSON side-car, got ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** The side-cars that state the kind of their case and the file of its tensors. */
function cases({ names, json }: Files): string[] {
  return matching(names, /\.json$/).filter((name) => {
    const { kind, file } = json(name);
    return typeof kind === 'string' && typeof file === 'string';
  });
}

/** Every file name in a side-car, at any depth. */
function fileNames(value: unknown): string[] {
  if (typeof value === 'string') return /\.(safetensors|json)$/.test(value) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(fileNames);
}

/** `cases/`, `inputs/` and the pipeline's own folder; empty for folders of other fixtures. */
function pipelineFolders(folder: string, names: string[]): string[] {
  const pipeline = pipelineOf(folder, names);
  return names.includes('cases') && pipeline ? ['cases', 'inputs', pipeline] : [];
}

const matching = (names: string[], pattern: RegExp) => names.filter((name) => pattern.test(name));
const stem = (name: string) => name.replace(/\.json$/, '');
