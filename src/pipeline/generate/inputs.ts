/** Reads or opens the files that a user names. */
import { statSync } from 'node:fs';
import { InputError } from '../../errors.js';
import {
  type ClipReader,
  type DepthMap,
  expectMaskFits,
  invertMask,
  type Margins,
  type Mask,
  type Media,
  type MediaSource,
  maskOf,
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
import { ClipWindow } from './clip-window.js';
import type { Shape } from './fitting.js';
import type { Fitting } from './notes.js';
import { bare } from './placed.js';
import type { UserRequest } from './request.js';

/** Files, read or opened. */
export interface Inputs {
  /** pictures and clips in the order of the task's inputs, without the one that is followed */
  media: Media[];
  /** the clip that is followed, window by window */
  followed: {
    window: ClipWindow;
    reader: Shape & Pick<Media, 'fps' | 'notes' | 'fullRange'> & { numFrames: number | null };
    /** its number of frames is the one stated in the file, which may be off by one */
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
    inputs.depths.push(await readDepth(bare(one), { signal }));
  }
  for (const [i, kind] of kinds.entries()) {
    const path = paths[i]!;
    const followed = task.followsInput && i === 0;
    if (kind === 'depth') {
      inputs.depth = await readDepth(path, { signal });
      if (task.result === 'video' && inputs.depth.numFrames < 2) throw noClip(task, path);
      inputs.fps = inputs.depth.fps ?? null;
    } else if (kind === 'video' && followed && !whole) {
      const reader = await openClip(path, { signal });
      inputs.close = () => reader.close();
      const about = typeof path === 'string' && !statSync(path).isDirectory();
      inputs.followed = { window: new ClipWindow(reader), reader, about };
      fitting.notes(reader.notes.splice(0));
      if (!(await inputs.followed.window.has(1))) throw noClip(task, path);
      if (source) inputs.mask = await readMask(source, request, reader, fitting, about);
      inputs.fps = reader.fps;
    } else {
      const media = kind === 'image' ? await readImage(path, { signal }) : await readClip(i);
      fitting.notes(media.notes.splice(0));
      if (kind === 'video' && media.numFrames < 2) throw noClip(task, path);
      if (i === 0) inputs.fps = media.fps;
      if (!followed) {
        inputs.media.push(media);
        continue;
      }
      inputs.followed = { window: ClipWindow.over(media), reader: media, about: false };
      if (source) inputs.mask = await readMask(source, request, media, fitting);
    }
  }
  if (request.expand !== undefined) {
    inputs.margins = parseExpand(request.expand, inputs.followed!.reader, '`expand`');
  }

  /** Reads a whole clip into memory, at the first clip's frame rate. */
  async function readClip(index: number): Promise<Media> {
    const path = paths[index]!;
    const media = await readMedia(path, { signal });
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

async function isVideoFile(source: MediaSource): Promise<boolean> {
  return typeof source === 'string' && ['video', 'unknown'].includes(await sniff(source));
}

/** The file whose sound goes with a result; null for frames given in memory, which are silent. */
export const soundOf = (source: MediaSource | undefined): string | null =>
  typeof source === 'string' ? source : null;

const near = (a: number, b: number): boolean => Math.abs(a / b - 1) < 0.01;
const rate = (fps: number): string => String(Math.round(fps * 100) / 100);

const noClip = ({ id }: Task, source: MediaSource): InputError =>
  new InputError(
    `${sourceName(source)}: ${id} needs a clip, got one picture; give a video or a folder of pictures`,
  );

/** The mask of the part to generate; frames are read only if the mask depends on them. */
async function readMask(
  source: NonNullable<UserRequest['mask']>,
  { invertMask: invert, signal }: UserRequest,
  input: Media | ClipReader,
  fitting: Fitting,
  about = false,
): Promise<Mask> {
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
  if (about && numFrames > 0 && Math.abs(read.numFrames - numFrames) > 1) {
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
