/** Runs the demo's cases as `mfm generate` would, and writes their pictures for the page. */
import { join } from 'node:path';
import { baselineClips, type Laid, layOut } from '../../../eval/baselines.js';
import { clipPsnr } from '../../../eval/quality.js';
import { shownDepth } from '../../../eval/strips.js';
import { PROGRAM } from '../../../files/package-root.js';
import {
  contactSheet,
  type Frames,
  resizeFrames,
  type SheetRow,
  sliceFrames,
  writeImage,
  writeVideo,
} from '../../../media/index.js';
import { generate } from '../../../pipeline/generate/generate.js';
import type { Pipeline } from '../../../pipeline/index.js';
import {
  type ConditionInputs,
  type DepthEstimator,
  TASKS,
  type Target,
  type Task,
} from '../../../tasks/index.js';
import type { DemoCase } from './cases.js';
import type { PlacedFile } from './given-files.js';
import { inWords, type Score, wordsFound } from './score.js';

/** A picture on the page. */
export interface Tile {
  label: string;
  /** path relative to the page, .png or .mp4 */
  file: string;
  width: number;
  /** a figure, or '' */
  note: string;
  made: boolean;
}

export interface ShownCase
  extends Pick<DemoCase, 'id' | 'task' | 'section' | 'origin' | 'prompt' | 'seed'> {
  tiles: Tile[];
  command: string;
  seconds: number;
  /** scores of the result and of the baselines; null if there is no true picture */
  score: Score | null;
  /** pictures for the contact sheet, by label */
  pictures: ReadonlyMap<string, Frames>;
}

export interface ShowOptions {
  /** folder of the page */
  folder: string;
  /** folder of the pictures, relative to the page's */
  pictures: string;
  /** the pipeline, as in the command */
  pipelineFolder: string;
  /** the pipeline's own depth model, if it has one */
  estimateDepth: DepthEstimator | null;
  onStep: (step: number, total: number) => void;
  signal: AbortSignal;
}

/** Pictures are enlarged, pixel by pixel, to about this height. */
const TILE_HEIGHT = 192;

/** Generates one case and writes its tiles. @throws the signal's reason when it aborts */
export async function showCase(
  pipeline: Pipeline,
  demoCase: DemoCase,
  options: ShowOptions,
): Promise<ShownCase> {
  const { id, section, prompt, seed, inputs, mask, depth, known, size, origin } = demoCase;
  const task: Task = TASKS[demoCase.task];
  const { estimateDepth, onStep, signal } = options;
  const startMs = performance.now();
  const { frames, fps, given, target } = await generate(pipeline, {
    task,
    prompt,
    inputs,
    size,
    seed,
    estimateDepth,
    onStep,
    signal,
    mask: mask === undefined ? undefined : { file: mask },
    known,
    depth: depth.length > 0 ? depth : undefined,
  });
  const seconds = (performance.now() - startMs) / 1000;

  // the target may be a tile or a window, but the comparison is at the result's size
  const { width, height } = frames;
  const whole = { width, height, numFrames: Math.min(target.numFrames, frames.numFrames) };
  const result = sliceFrames(frames, 0, whole.numFrames);
  const { pictures, score } = compare(demoCase, result, { given, target: whole });
  const tiles: Tile[] = [];
  for (const { label, frames: shown, note, made } of pictures) {
    const extension = shown.numFrames === 1 ? 'png' : 'mp4';
    const file = `${options.pictures}/${id}-${label.replaceAll(' ', '-')}.${extension}`;
    const enlarged = enlarge(shown);
    const path = join(options.folder, file);
    if (shown.numFrames === 1) await writeImage(path, enlarged);
    else await writeVideo(path, enlarged, { fps, signal });
    tiles.push({ label, file, width: enlarged.width, note, made: made === true });
  }
  return {
    id,
    task: demoCase.task,
    section,
    origin,
    prompt,
    seed,
    tiles,
    seconds,
    command: commandOf(demoCase, options.pipelineFolder),
    score,
    pictures: new Map(pictures.map(({ label, frames: shown }) => [label, shown])),
  };
}

/** Writes one contact sheet of a task's cases. */
export async function taskSheet(shown: readonly ShownCase[], path: string): Promise<void> {
  const byCount = [...shown].sort((a, b) => b.pictures.size - a.pictures.size);
  const columns = [...new Set(byCount.flatMap(({ pictures }) => [...pictures.keys()]))];
  const rows = shown.map(({ id, prompt, pictures }): SheetRow => {
    const images = columns.map((label) => pictures.get(label) ?? blankLike(shown, label));
    return { label: `${id}  ${prompt}`, images };
  });
  await contactSheet(rows, path, { columns, framesPerClip: 5 });
}

/** A blank picture, for a column that other cases have and this one does not. */
function blankLike(shown: readonly ShownCase[], label: string): Frames {
  const other = shown.find(({ pictures }) => pictures.has(label))!.pictures.get(label)!;
  return { ...other, data: new Uint8Array(other.data.length).fill(255) };
}

interface Picture {
  label: string;
  frames: Frames;
  note: string;
  made?: true;
}

/** The baselines that are shown as pictures. */
const SHOWN_BASELINES = ['bicubic', 'harmonic', 'nearest frame', 'cross-fade'];

/** The pictures of a case (given, baselines, result, true picture), and its scores. */
function compare(
  { task, scene, reference: whole }: DemoCase,
  result: Frames,
  { given, target }: { given: ConditionInputs; target: Target },
): { pictures: Picture[]; score: Score | null } {
  const reference = whole && sliceFrames(whole, 0, target.numFrames);
  const truth: Picture[] = reference
    ? [{ label: 'true picture', frames: reference, note: '' }]
    : [];
  if (TASKS[task].inputs.length === 0) {
    const words = scene ? wordsFound(scene, result) : null;
    const note = words ? inWords(words) : '';
    const pictures: Picture[] = [{ label: 'made', frames: result, note, made: true }, ...truth];
    return { pictures, score: words && { words } };
  }
  const laid = layOut(given, target);
  // if part is known, figures are for the unknown part
  const where = laid.all || !laid.any ? null : laid.hole;
  const psnr = (frames: Frames) => clipPsnr(frames, reference!, where);
  const against = (frames: Frames) => (reference ? decibels(psnr(frames)) : '');
  const depth = given.geometry[0]?.depth;
  const baselines = [...baselineClips(laid)];
  const pictures: Picture[] = [
    ...(depth ? [{ label: 'given depth', frames: shownDepth(depth), note: '' }] : []),
    ...givenPictures(given, laid),
    ...baselines
      .filter(([name]) => SHOWN_BASELINES.includes(name))
      .map(([label, frames]) => ({ label, frames, note: against(frames) })),
    { label: 'made', frames: result, note: against(result), made: true },
    ...truth,
  ];
  const score = reference && {
    decibels: psnr(result),
    others: new Map(baselines.map(([name, frames]) => [name, psnr(frames)])),
  };
  return { pictures, score };
}

/** The given pictures as a user would give them; if whole frames are missing, only the known ones. */
function givenPictures({ known }: ConditionInputs, laid: Laid): Picture[] {
  if (!laid.any) return [];
  if (laid.kind === 'smaller') {
    const { frames } = known[0]!;
    return [{ label: 'given', frames, note: sizeOf(frames) }];
  }
  if (laid.all || laid.inEach) return [{ label: 'given', frames: laid.clip, note: '' }];
  return known.map(({ frames, at }) => {
    const part = known.length === 1 ? '' : at[0] === 0 ? ' beginning' : ' end';
    return {
      label: `given${part}`,
      frames,
      note: frames.numFrames > 1 ? `${frames.numFrames} frames` : '',
    };
  });
}

const decibels = (value: number): string => `${value.toFixed(1)} dB`;
const sizeOf = ({ width, height }: Frames): string => `${width}x${height}`;

function enlarge(frames: Frames): Frames {
  const factor = Math.max(1, Math.round(TILE_HEIGHT / frames.height));
  const size = { width: frames.width * factor, height: frames.height * factor };
  return resizeFrames(frames, size, 'nearest');
}

/** The command that gives the same result. */
function commandOf(
  { id, task, prompt, seed, inputs, mask, depth, known = [], size }: DemoCase,
  folder: string,
): string {
  const quoted = (text: string) => (/^[\w./-]+$/.test(text) ? text : `"${text}"`);
  return [
    `${PROGRAM} generate ${task}`,
    ...(prompt ? ['-p', `"${prompt}"`] : []),
    ...inputs.flatMap((file) => ['-i', quoted(file)]),
    ...known.flatMap((part) => ['--known', quoted(placed(part))]),
    ...(mask ? ['--mask', quoted(mask)] : []),
    ...depth.flatMap((file) => ['--depth', quoted(file)]),
    ...(size ? [`--size ${size.width}x${size.height}`] : []),
    `--seed ${seed} --pipeline ${quoted(folder)} -o ${id}.${TASKS[task].result === 'image' ? 'png' : 'mp4'}`,
  ].join(' ');
}

/** A known part as `--known` takes it. */
function placed({ media, at, mask }: PlacedFile): string {
  const place = typeof at === 'number' ? at : at.join('..');
  return `${media}@${place}${mask ? `,mask=${mask}` : ''}`;
}
