/** Chooses the size and length to generate, and those of the result. */
import { InputError } from '../../errors.js';
import { MOST_FRAMES, MOST_SIDE } from '../../limits.js';
import type { Size } from '../../media/index.js';
import { expectFrameCount, multiplesOf16, nextFitting } from '../../models/latent-grid.js';
import type { Task } from '../../tasks/index.js';
import type { OwnSettings } from '../settings.js';
import type { Fitting } from './notes.js';
import type { UserRequest } from './request.js';

/** Super-resolution's factor, unless a size is asked for. */
const DEFAULT_UPSCALE = 2;
/** Beyond this many times the trained area, the user is warned or the result is generated smaller. */
const DOUBTFUL_AREA = 4;
/** Beyond this many times the trained area, super-resolution works in tiles. */
const TILED_AREA = 1.5;

export interface Sizes {
  /** size that is generated, multiples of 16 */
  made: Size;
  /** size of the result */
  result: Size;
  /** size of the tiles; null: generated in one piece */
  tile: Size | null;
}

/** An input's name and size. */
export interface Shape extends Size {
  path: string;
}

/** Chooses the sizes. @param input   the first input, with its margins; null: there is none */
export function fitSizes(
  task: Task,
  request: UserRequest,
  input: Shape | null,
  settings: OwnSettings,
  fitting: Fitting,
): Sizes {
  const trained = { width: settings.width, height: settings.height };
  if (request.size) {
    if (request.upscale !== undefined) {
      throw new InputError(
        '`upscale`: `size` says how large the result is; leave one of them out',
        {
          field: 'upscale',
        },
      );
    }
    expectSides('`size`', request.size);
    const made = multiplesOf16(request.size);
    if (!same(made, request.size)) {
      fitting.fitted(
        `\`size\`: ${inWords(request.size)} is made at ${inWords(made)} and brought back (multiples of 16)`,
      );
    }
    return doubted(task, request, { made, result: request.size }, trained, fitting);
  }
  if (!input || task.size === 'pipeline') return { made: trained, result: trained, tile: null };
  const own = { width: input.width, height: input.height };
  const trainedShape = scaled(input, Math.sqrt(area(trained) / area(input)));
  const asked = {
    'shape of input': task.inputs[0] === 'video' ? own : trainedShape,
    input: own,
    larger: scaled(input, request.upscale ?? DEFAULT_UPSCALE),
  }[task.size];
  expectSides(input.path, asked);
  const most = area(trained) * (task.keeps === 'brightness' ? 1 : DOUBTFUL_AREA);
  const goesOn = task.size === 'shape of input';
  const shrinks = task.size === 'input' && area(asked) > most;
  const limited = shrinks ? scaled(asked, Math.sqrt(most / area(asked))) : asked;
  const made = multiplesOf16(goesOn ? trainedShape : limited);
  // a clip keeps its size, and new frames are brought to it
  if (goesOn && task.inputs[0] !== 'video') {
    if (!same(made, input)) {
      fitting.fitted(
        `${input.path}: ${inWords(input)} becomes ${inWords(made)} (the pipeline's area in multiples of 16; \`size: { width, height }\` asks for another)`,
      );
    }
    return { made, result: made, tile: null };
  }
  if (shrinks) {
    fitting.fitted(
      `${input.path}: ${inWords(asked)} is made at ${inWords(made)}, nearer the ${inWords(trained)} that this pipeline was trained on, and brought back (\`size: { width, height }\` asks for another)`,
    );
    return { made, result: asked, tile: null };
  }
  if (!same(made, asked)) {
    fitting.fitted(
      `${input.path}: ${inWords(asked)} is made at ${inWords(made)} and brought back (multiples of 16; \`size: { width, height }\` asks for another)`,
    );
  }
  return doubted(task, request, { made, result: asked }, trained, fitting);
}

/** Chooses tiles if the task can use them; warns if the size is far above the trained one. */
function doubted(
  task: Task,
  { tile }: UserRequest,
  sizes: Omit<Sizes, 'tile'>,
  trained: Size,
  fitting: Fitting,
): Sizes {
  const { made } = sizes;
  const tooLarge = tile
    ? made.width > tile.width || made.height > tile.height
    : area(made) > TILED_AREA * area(trained);
  if (task.size === 'larger' && tile !== null && tooLarge) {
    const side = (name: keyof Size) => Math.min(made[name], (tile ?? trained)[name]);
    const each = { width: side('width'), height: side('height') };
    fitting.note(
      `${inWords(made)} is made in tiles of ${inWords(each)} (\`tile: null\` makes it in one piece)`,
    );
    return { ...sizes, tile: each };
  }
  if (area(made) > DOUBTFUL_AREA * area(trained)) {
    fitting.note(
      `${inWords(made)} is far above the ${inWords(trained)} that this pipeline was trained on: expect lower quality`,
    );
  }
  return { ...sizes, tile: null };
}

/**
 * Frames of a window: as many as the pipeline was trained on, or fewer if the result has fewer.
 *
 * @param wanted   frames of the result
 * @param least    the fewest frames that have room for the known ones, 4k + 1
 * @returns 4k + 1
 */
export function windowFrames(
  { window }: UserRequest,
  wanted: number,
  settings: OwnSettings,
  fitting: Fitting,
  least = 1,
): number {
  if (window !== undefined) expectFrameCount('`window`', window);
  if (wanted > MOST_FRAMES) {
    throw new InputError(
      `\`numFrames\`: the result would have ${wanted} frames, more than ${MOST_FRAMES}; ask for fewer`,
    );
  }
  if (window !== undefined && window < least) {
    throw new InputError(`\`window\`: must be at least ${least} for this task, got ${window}`);
  }
  const most = Math.max(window ?? settings.numFrames, least);
  if (wanted > most) return most;
  const made = nextFitting(wanted);
  if (made !== wanted) {
    fitting.fitted(`${wanted} frames: ${made} are made and ${wanted} of them kept (4k + 1)`);
  }
  return made;
}

/** @throws InputError for a result larger than the limit */
function expectSides(where: string, { width, height }: Size): void {
  if (Math.max(width, height) <= MOST_SIDE) return;
  throw new InputError(
    `${where}: the result would be ${width}x${height}, and ${MOST_SIDE} is the longest side allowed; ask for less with \`size\`, \`upscale\` or \`expand\``,
  );
}

const area = ({ width, height }: Size): number => width * height;
const same = (a: Size, b: Size): boolean => a.width === b.width && a.height === b.height;
export const inWords = ({ width, height }: Size): string => `${width}x${height}`;

const scaled = ({ width, height }: Size, factor: number): Size => ({
  width: Math.max(1, Math.round(width * factor)),
  height: Math.max(1, Math.round(height * factor)),
});
