/**
 * The benchmark of the paper, on clips that are available: it takes segments of them, draws conditions
 * with fixed seeds and writes them to files, and scores the results of any system against the same truth.
 *
 * Source: Li et al. 2025, "Many-for-Many", arXiv 2506.01758. Its 480 clips are not published.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import {
  type Frames,
  readMedia,
  sliceFrames,
  writeAtomically,
  writeImage,
} from '../media/index.js';
import { type Hole, TASKS, type Task } from '../tasks/index.js';
import type { Part } from './report.js';
import type { Published } from './report-format.js';
import { shownDepth } from './strips.js';
import type { Maker, Trial } from './trials.js';

/** Video tasks with inputs and a true result, as in the paper's comparison. */
export const BENCHMARK_TASKS: Task[] = Object.values<Task>(TASKS).filter(
  ({ result, inputs, needs }) => result === 'video' && inputs.length > 0 && !needs.edit,
);

export const PUBLISHED: Published = {
  source: 'the paper, on 97 frames of 480 clips that are not published',
  tasks: {
    vinp: [
      { system: 'MfM', psnr: 21.3, ssim: 0.83, lpips: 0.112 },
      { system: 'ProPainter', psnr: 20.4, ssim: 0.88, lpips: 0.118 },
    ],
    voutp: [
      { system: 'MfM', psnr: 18.2, ssim: 0.733, lpips: 0.168 },
      { system: 'M3DDM', psnr: 18.0, ssim: 0.571, lpips: 0.475 },
    ],
    itrans: [
      { system: 'MfM', psnr: 20.0, ssim: 0.583, lpips: 0.203 },
      { system: 'Wan', psnr: 18.3, ssim: 0.512, lpips: 0.244 },
    ],
    vcolor: [
      { system: 'MfM', psnr: 17.9, ssim: 0.81, lpips: 0.176 },
      { system: 'ColorMNet', psnr: 17.5, ssim: 0.812, lpips: 0.16 },
    ],
  },
};

/** Notes that belong beside the paper's figures. */
export const BENCHMARK_NOTES = [
  'The published figures were measured on the authors’ own 480 clips, which are not published: a reference, not a comparison.',
  'LPIPS itself needs a pretrained network that is not included, so it was not measured; the feature distance has its formula, but other features and weights.',
];

/**
 * Writes the inputs of the tasks, so that other systems can use the same ones. Every trial gets a
 * folder TASK/NAME with prompt.txt and, named by frame index: input/00000.png, …, the known frames,
 * black in the hole; mask/00000.png, …, white in the hole; depth/00000.png, …, white is near.
 * Trials that exist already are not written again.
 */
export async function writeConditions(
  folder: string,
  { task, trials }: Part,
  { onShare, signal }: { onShare?: (share: number) => void; signal?: AbortSignal } = {},
): Promise<void> {
  for (let i = 0; i < trials.count; i++) {
    signal?.throwIfAborted();
    const trial = await trials.at(i);
    const own = join(folder, task.id, trial.name);
    const last = join(own, 'prompt.txt'); // written last: if it exists, the trial is complete
    if (!existsSync(last)) {
      await writeGiven(own, trial);
      await writeAtomically(last, (temporary) => writeFile(temporary, `${trial.prompt}\n`));
    }
    onShare?.((i + 1) / trials.count);
  }
}

/** Does a folder hold a trial's inputs, or some of them, and nothing else? */
export function isTrialFolder(folder: string): boolean {
  if (!statSync(folder).isDirectory()) return false;
  const names = readdirSync(folder).filter((name) => !name.startsWith('.'));
  return names.every((name) => ['input', 'mask', 'depth', 'prompt.txt'].includes(name));
}

async function writeGiven(folder: string, { given }: Trial): Promise<void> {
  const write = (kind: string, at: number, frames: Frames) =>
    writeImage(join(folder, kind, `${String(at).padStart(5, '0')}.png`), frames);
  for (const { frames, at, hole, gray } of given.known) {
    const plane = frames.width * frames.height;
    for (const [i, place] of at.entries()) {
      const frame = sliceFrames(frames, i, i + 1);
      const part = hole?.subarray(i * plane, (i + 1) * plane) ?? null;
      await write('input', place, gray ? grayed(frame) : blackIn(frame, part));
      if (part) await write('mask', place, whiteIn(frame, part));
    }
  }
  for (const { depth, at } of given.geometry) {
    if (!depth) continue;
    const gray = shownDepth(depth);
    for (const [i, place] of at.entries()) await write('depth', place, sliceFrames(gray, i, i + 1));
  }
}

function grayed(frame: Frames): Frames {
  const data = new Uint8Array(frame.data.length);
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = frame.data.subarray(i, i + 3);
    data.fill(Math.round(0.2989 * r! + 0.587 * g! + 0.114 * b!), i, i + 3);
  }
  return { ...frame, data };
}

function blackIn(frame: Frames, hole: Hole | null): Frames {
  if (!hole) return frame;
  const data = frame.data.slice();
  hole.forEach((missing, p) => {
    for (let c = p * 3; c < p * 3 + 3; c++) data[c] = Math.round(data[c]! * (1 - missing));
  });
  return { ...frame, data };
}

function whiteIn(frame: Frames, hole: Hole): Frames {
  const data = new Uint8Array(frame.data.length);
  hole.forEach((missing, p) => {
    data.fill(Math.round(255 * missing), p * 3, p * 3 + 3);
  });
  return { ...frame, data };
}

/**
 * Reads the results of another system: TASK/NAME.mp4 or
 * another clip, or a folder TASK/NAME of frames.
 */
export const filesMaker = (folder: string): Maker => ({
  async make(task, trials, _first, { onShare, signal }) {
    const results: Frames[] = [];
    for (const { name, truth } of trials) {
      const path = resultPath(join(folder, task.id), name);
      const made = await readMedia(path, { signal });
      const { width, height, numFrames } = made;
      if (width !== truth.width || height !== truth.height || numFrames !== truth.numFrames) {
        throw new InputError(
          `${path}: must be ${truth.numFrames} frames of ${truth.width}x${truth.height} like its true clip, got ${numFrames} of ${width}x${height}`,
        );
      }
      results.push(made);
      onShare?.(results.length / trials.length);
    }
    return results;
  },
});

function resultPath(folder: string, name: string): string {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const found = names.filter((one) => one === name || one.replace(/\.\w+$/, '') === name);
  if (found.length === 1) return join(folder, found[0]!);
  throw new InputError(
    found.length === 0
      ? `${join(folder, name)}: is missing; results are named as their inputs, TASK/NAME.mp4 or a folder TASK/NAME of frames`
      : `${join(folder, name)}: must be one result, got ${found.join(' and ')}`,
  );
}
