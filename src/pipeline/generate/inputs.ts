/** Reads or opens the files that a user names. */
import { statSync } from 'node:fs';
import { InputError } from '../../errors.js';
import {
  type ClipReader,
  countFrames,
  type DepthMap,
  doubtedMeaning,
  expectMaskFits,
  type Frames,
  invertMask,
  type Margins,
  type Mask,
  type Media,
  type MediaSource,
  maskOf,
  OVER_WHITE,
  openClip,
  parseExpand,
  readDepth,
  readImage,
  readMedia,
  readOpacity,
  sniff,
  sourceName,
} from '../../media/index.js';
import type { Task } from '../../tasks/index.js';
import { tidy } from '../../tensor/index.js';
import { ClipWindow } from './clip-window.js';
import { inWords, type Shape } from './fitting.js';
import type { Fitting } from './notes.js';
import { bare } from './placed.js';
import type { UserRequest } from './request.js';
import { sameShape } from './shaping.js';

/** Files, read or opened. */
export interface Inputs {
  /** pictures and clips in the order of the task's inputs, without the one that is followed */
  media: Media[];
  /** the clip that is followed, window by window */
  followed: {
    /** only its depth is used, which is estimated */
    forDepth: boolean;
    window: ClipWindow;
    reader: Shape &
      Pick<Media, 'fps' | 'notes' | 'fullRange' | 'variableRate'> & { numFrames: number | null };
    /**
     * its number of frames is estimated from what the file states: it may be off by one, and if the sound
     * is longer than the pictures, by more; see `countFollowed`
     */
    about: boolean;
  } | null;
  /** depth as the task's own input */
  depth: DepthMap | null;
  /** depth maps that replace the depth estimated from the frames */
  depths: DepthMap[];
  mask: Mask | null;
  margins: Margins | null;
  fps: number | null;
  close(): Promise<void>;
}

/** @throws InputError naming the file, what is wrong with it, and the remedy */
export async function readInputs(
  task: Task,
  request: UserRequest,
  fitting: Fitting,
): Promise<Inputs> {
  const inputs: Inputs = {
    media: [],
    followed: null,
    depth: null,
    mask: null,
    margins: null,
    fps: null,
    depths: [],
    close: async () => {},
  };
  try {
    await readInto(inputs, task, request, fitting);
    return inputs;
  } catch (error) {
    await inputs.close();
    throw error;
  }
}

async function readInto(
  inputs: Inputs,
  task: Task,
  request: UserRequest,
  fitting: Fitting,
): Promise<void> {
  const { signal, mask: source, inputs: paths } = request;
  const kinds = [...task.inputs, ...task.optionalInputs].slice(0, paths.length);
  // a colour is searched for in all frames, and so is transparency unless the input is a video file
  const byAlpha = source !== undefined && 'alpha' in source;
  const whole =
    (source !== undefined && 'colour' in source) || (byAlpha && !(await isVideoFile(paths[0]!)));
  for (const one of request.depth ?? []) {
    inputs.depths.push(await readDepthFile(bare(one), request, fitting));
  }
  for (const [i, kind] of kinds.entries()) {
    const path = paths[i]!;
    const followed = task.followsInput && i === 0;
    const forDepth = kind === 'depth' && request.depthFrom !== undefined;
    if (kind === 'depth' && !forDepth) {
      inputs.depth = await readDepthFile(path, request, fitting, OR_ESTIMATED);
      inputs.fps = inputs.depth.fps ?? null;
    } else if (forDepth || (kind === 'video' && followed && !whole)) {
      const reader = await openClip(path, { signal });
      inputs.close = () => reader.close();
      const about = typeof path === 'string' && !statSync(path).isDirectory();
      const window = new ClipWindow(reader);
      fitting.notes(told(reader.notes));
      if (!(await window.has(1))) {
        if (!forDepth) throw await noClip(task, path);
        const picture = (await window.take(0, 1))!;
        inputs.depth = depthOf(picture, reader.path, request);
        continue;
      }
      inputs.followed = { forDepth, window, reader, about };
      if (source) inputs.mask = await readMask(source, request, reader, fitting, inputs.followed);
      inputs.fps = reader.fps;
    } else {
      const media = kind === 'image' ? await readImage(path, { signal }) : await readClip(i);
      fitting.notes(told(media.notes));
      if (kind === 'video' && media.numFrames < 2) throw await noClip(task, path);
      if (i === 0) inputs.fps = media.fps;
      if (!followed) {
        inputs.media.push(media);
        continue;
      }
      inputs.followed = {
        forDepth: false,
        window: ClipWindow.over(media),
        reader: media,
        about: false,
      };
      if (source) inputs.mask = await readMask(source, request, media, fitting);
    }
  }
  if (request.expand !== undefined) {
    inputs.margins = parseExpand(request.expand, inputs.followed!.reader, '`expand`');
  }

  /** Takes the notes of a file, without what a mask of its transparent parts makes untrue. */
  function told(notes: string[]): string[] {
    return notes.splice(0).filter((note) => !byAlpha || !note.endsWith(OVER_WHITE));
  }

  /** Reads a whole clip into memory, at the first clip's frame rate. */
  async function readClip(index: number): Promise<Media> {
    const path = paths[index]!;
    // of the input that is followed, one frame more, to know whether something is left out
    const asked = task.followsInput && index === 0 ? request.numFrames : undefined;
    const maxFrames = asked === undefined ? undefined : asked + 1;
    const media = await readMedia(path, { signal, maxFrames });
    if (index === 0 || !media.fps || !inputs.fps || near(media.fps, inputs.fps)) return media;
    const [own, wanted] = [rate(media.fps), rate(inputs.fps)];
    if (typeof path !== 'string') {
      throw new InputError(
        `${path.path}: has ${own} frames per second, and ${sourceName(paths[0]!)} has ${wanted}; give frames of the same rate`,
        { field: 'inputs' },
      );
    }
    fitting.fitted(
      `${path}: ${own} frames per second become the ${wanted} of ${sourceName(paths[0]!)}`,
    );
    return readMedia(path, { signal, fps: inputs.fps });
  }
}

/**
 * Replaces the estimated number of frames of a video file by the real one, for which the file is decoded
 * once: to be called before anything is refused for its length.
 *
 * @returns  the number of frames; null if none is stated
 */
export async function countFollowed(
  followed: NonNullable<Inputs['followed']>,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const { reader, about } = followed;
  if (about && (await isVideoFile(reader.path))) {
    followed.reader = { ...reader, numFrames: await countFrames(reader.path, { signal }) };
    followed.about = false;
  }
  return followed.reader.numFrames;
}

async function isVideoFile(source: MediaSource): Promise<boolean> {
  return typeof source === 'string' && ['video', 'unknown'].includes(await sniff(source));
}

/**
 * The file whose sound goes with a result; null for frames given in memory, which are silent, and for a
 * clip that was read at another rate than its own, since picture and sound would drift apart.
 */
export function soundOf(
  source: MediaSource | undefined,
  read: Pick<Media, 'variableRate'> | null | undefined,
  fitting: Fitting,
): string | null {
  if (typeof source !== 'string') return null;
  if (!read?.variableRate) return source;
  fitting.note(`${source}: its frame rate varies, so any sound of it is left out`);
  return null;
}

const near = (a: number, b: number): boolean => Math.abs(a / b - 1) < 0.01;
const rate = (fps: number): string => String(Math.round(fps * 100) / 100);

/** @param compat  d2v is not to be recommended, since the reference lacks it */
export async function noClip(
  { id, needs }: Task,
  source: MediaSource,
  compat = false,
): Promise<InputError> {
  const name = sourceName(source);
  if (await isVideoFile(source)) {
    return new InputError(`${name}: ${id} needs a clip, got one frame; give a longer video`);
  }
  return new InputError(
    `${name}: ${id} needs a clip, got one picture; give a video or a folder of pictures${needs.depth && !compat ? ", or use d2v, which keeps a picture's shapes, with `depthFrom`" : ''}`,
  );
}

const OR_ESTIMATED =
  'give one with near white and far black, or have depth estimated from this picture or clip with `depthFrom`';

/** Reads depth, and notes where its values seem to mean something else. */
export async function readDepthFile(
  path: MediaSource,
  { depthIs: is = 'near', signal }: UserRequest,
  fitting: Fitting,
  colourRemedy?: string,
): Promise<DepthMap> {
  const notes: string[] = [];
  const map = await readDepth(path, { is, signal, notes, colourRemedy });
  fitting.notes(notes);
  const doubt = doubtedMeaning(map);
  const upsideDown = 'the bottom of this map is far and the top near';
  if (doubt !== null && is !== 'near') {
    fitting.note(
      `${map.path}: with \`depthIs: '${is}'\` ${upsideDown}; leave that out if white means near in it`,
    );
  } else if (doubt === 'far') {
    fitting.note(
      `${map.path}: ${upsideDown}; if white means far in it, give \`depthIs: 'far'\`, and if its values are distances, \`depthIs: 'distance'\``,
    );
  } else if (doubt === 'distance') {
    fitting.note(
      `${map.path}: some of its points are 0 and all others far above that; if its values are distances, and 0 where nothing was measured, give \`depthIs: 'distance'\``,
    );
  }
  return map;
}

/** The estimated depth of a picture. */
function depthOf(picture: Frames, path: string, { estimateDepth }: UserRequest): DepthMap {
  const { width, height, numFrames } = picture;
  const data = tidy(() => estimateDepth!(picture).toFloat32Array().slice());
  return { path, width, height, numFrames, data };
}

/** @throws InputError unless depth has the shape of what it belongs to */
export function expectDepthShapes({ depths, followed, media }: Inputs): void {
  const owners: Shape[] = [...(followed ? [followed.reader] : []), ...media];
  depths.forEach((map, i) => {
    const owner = owners[i];
    if (!owner || sameShape(map, owner)) return;
    throw new InputError(
      `${map.path}: must have the shape of ${owner.path} (${inWords(owner)}), got ${inWords(map)}; crop it to that`,
    );
  });
}

/** The mask of the part to generate; frames are read only if the mask depends on them. */
async function readMask(
  source: NonNullable<UserRequest['mask']>,
  { invertMask: invert, signal }: UserRequest,
  input: Media | ClipReader,
  fitting: Fitting,
  followed: Inputs['followed'] = null,
): Promise<Mask> {
  const about = followed?.about ?? false;
  // for an opened clip, a mask from a file or a box needs only the clip's size
  const media = 'data' in input ? input : { ...input, alpha: null, data: new Uint8Array(0) };
  let numFrames = media.numFrames ?? 0;
  if ('alpha' in source && !('data' in input)) {
    const opacity = await readOpacity(input.path, { signal });
    media.alpha = opacity?.alpha ?? null;
    numFrames = opacity?.numFrames ?? numFrames;
  }
  const notes: string[] = [];
  const options = { notes, anyLength: about, signal };
  const read = await maskOf(source, { ...media, numFrames }, options);
  fitting.notes(notes);
  const differs = read.numFrames > 1 && Math.abs(read.numFrames - numFrames) > 1;
  if (about && numFrames > 0 && differs) {
    numFrames = (await countFollowed(followed!, signal)) ?? numFrames;
    expectMaskFits(read, { ...media, numFrames });
  }
  const mask = invert ? invertMask(read) : read;
  if (!mask.data.includes(1)) {
    throw new InputError(
      invert
        ? `${mask.path}: is all white, so inverted it leaves nothing to fill; leave out \`invertMask\`, or paint only the part to keep white`
        : `${mask.path}: has no white part${mask.lightest ? ` (${mask.lightest})` : ''}, so there is nothing to fill; paint the part to generate white`,
    );
  }
  if (!mask.data.includes(0))
    fitting.note(`${mask.path}: is all white: the whole picture is generated anew`);
  return mask;
}
