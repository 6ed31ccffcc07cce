/** The jobs of `mfm depth`: one result for every input. */
import { readdirSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import { fileKind } from '../../../data/sources/kinds.js';
import { PassedOver } from '../../../data/sources/passed-over.js';
import { InputError } from '../../../errors.js';
import {
  expectPlace,
  holdsResults,
  resultsLeftOut,
  SourceFiles,
} from '../../../files/output-place.js';
import { openClip } from '../../../media/codecs/clip-reader.js';
import { sniff } from '../../../media/codecs/sniff.js';
import {
  DEPTH_ENDINGS,
  expectDepthPlace,
  fitsDepthOf,
  isDepthFolder,
} from '../../../media/depth/write-depth.js';
import type { DepthOptions } from './options.js';

export interface DepthJob {
  input: string;
  output: string;
}

/** A job, or the reason why its input cannot be read. */
export type DepthJobs = (DepthJob | { input: string; problem: InputError })[];

/** @throws InputError for a result that could not, or must not, be written; before any work */
export async function depthJobs(options: DepthOptions, onNote: (note: string) => void) {
  const { batch, output } = options;
  const listed = batch === undefined ? [] : filesOf(batch, output ?? FOLDER, onNote);
  const inputs = [...options.input, ...listed];
  const several = batch !== undefined || inputs.length > 1;
  if (inputs.length === 0) {
    throw new InputError(
      batch === undefined
        ? 'mfm depth: needs a picture or a clip; give it with -i FILE'
        : `${batch}: holds no files; name a folder of pictures and clips`,
    );
  }
  const endings = endingsOf(options);
  const named = several ? inFolder(options) : inOneFile(options);
  const sources = new SourceFiles(inputs.map((path) => ({ path, what: 'the input' })));
  const owners = new Map<string, string>();
  const jobs: DepthJobs = [];
  for (const input of inputs) {
    try {
      const kind = await kindOf(input);
      const usual = kind === 'image' ? '.png' : options.colour ? '.mp4' : '.mkv';
      const ending = endings.find((one) => fitsDepthOf(one, kind)) ?? usual;
      jobs.push({ input, output: named(stemOf(input), ending, kind) });
      expectDepthPlace((jobs.at(-1) as DepthJob).output, kind, options);
    } catch (error) {
      // of several inputs, one that cannot be read does not stop the others
      if (!several || !(error instanceof InputError)) throw error;
      if ((jobs.at(-1) as DepthJob | undefined)?.input === input) throw error;
      jobs.push({ input, problem: error });
    }
  }
  for (const job of jobs) {
    if (!('output' in job)) continue;
    const { input, output } = job;
    for (const path of several ? [output, `${output}.json`] : [output]) {
      if (isDepthFolder(path)) sources.expectOtherFolder(path);
      else sources.expectOther(path);
    }
    if (several) expectPlace(`${output}.json`);
    const owner = owners.get(resolve(output));
    if (owner !== undefined) {
      throw new InputError(
        `${input}: its result would have the name of that of ${owner}, ${output}; rename one of them`,
      );
    }
    owners.set(resolve(output), input);
  }
  return { jobs, several };
}

type Naming = (stem: string, ending: string, kind: 'image' | 'video') => string;

function inOneFile({ output, ext }: DepthOptions): Naming {
  if (output !== undefined && ext.length > 0) {
    throw new InputError(`--ext: the name ${output} says already what is written; leave out --ext`);
  }
  return (stem, ending, kind) => {
    if (output === undefined) return `${stem}-depth${ending}`;
    // a clip becomes a folder of pictures, and a picture lies in it under its name
    return isDepthFolder(output) && kind === 'image' ? join(output, stem + ending) : output;
  };
}

/** Where several results go if no folder is named. */
const FOLDER = 'depth-results';

function inFolder({ output = FOLDER }: DepthOptions): Naming {
  if (DEPTH_ENDINGS.includes(extname(output).toLowerCase())) {
    throw new InputError(
      `${output}: several inputs have several results; name a folder with -o, and their kind with --ext ${extname(output).slice(1)}`,
    );
  }
  return (stem, ending) => join(output, stem + ending);
}

function endingsOf({ ext }: DepthOptions): string[] {
  return ext.map((text) => {
    const ending = `.${text.replace(/^\./, '').toLowerCase()}`;
    if (DEPTH_ENDINGS.includes(ending)) return ending;
    throw new InputError(
      `--ext: depth is written as ${DEPTH_ENDINGS.join(', ')}, got "${text}"; name one of these`,
    );
  });
}

const stemOf = (path: string): string => {
  const name = basename(resolve(path));
  return isFolder(path) ? name : basename(name, extname(name));
};

const isFolder = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * The files of a folder, in the order of their names; captions and settings are passed over, and so are
 * the results.
 */
function filesOf(folder: string, results: string, onNote: (note: string) => void): string[] {
  if (!isFolder(folder)) {
    throw new InputError(`${folder}: no such folder; --batch names a folder, and -i a file`);
  }
  const passedOver = new PassedOver();
  const names = readdirSync(folder).filter((name) => {
    if (name.startsWith('.')) return false;
    if (holdsResults(join(folder, name), results)) {
      onNote(resultsLeftOut(join(folder, name)));
      return false;
    }
    if (isFolder(join(folder, name)) || !['caption', 'sidecar'].includes(fileKind(name)))
      return true;
    passedOver.add(join(folder, name));
    return false;
  });
  for (const note of passedOver.sentences(folder)) onNote(note);
  return names.sort().map((name) => join(folder, name));
}

async function kindOf(path: string): Promise<'image' | 'video'> {
  const found = await sniff(path);
  if (found === 'still') return 'image';
  if (found !== 'animation') return 'video';
  // a GIF or WebP may hold a single picture
  const reader = await openClip(path);
  await reader.close();
  return reader.kind;
}
