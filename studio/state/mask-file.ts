/** Masks as pictures and clips on the server: sent, and read back. */
import * as api from '../api/client.js';
import type { Task } from '../api/types.js';
import {
  type Draft,
  type GivenMask,
  type Media,
  masksOf,
  type UploadedMasks,
} from '../logic/draft.js';
import { act, drawMasks, emptyMask, type MaskDocument } from '../logic/mask.js';
import type { Gray } from '../logic/mask-actions.js';
import { encodePng } from '../logic/png.js';
import { sourceOf } from '../logic/recall.js';
import { mediaOfSource } from './media.js';
import { look } from './messages.js';

/** Ids of masks on the server; a mask that changes becomes another document. */
const files = new WeakMap<MaskDocument, Promise<string>>();

/** By their ids: masks that were sent for a plan, and that no job has used; and the task of each. */
const unused = new Map<string, { task: string; mask: MaskDocument }>();
const used = new Set<string>();

/**
 * Sends the masks of a draft that are not on the server yet, and removes those that were painted over.
 *
 * @param now  the draft as it has become meanwhile
 */
export async function uploadMasks(
  draft: Draft,
  task: Task,
  now: () => Draft,
): Promise<UploadedMasks> {
  const fps = draft.inputs[0]?.fps ?? 8;
  const masks = masksOf(draft, task);
  const ids = await Promise.all(masks.map((mask) => uploadOnce(mask, fps)));
  const sent = new Map(masks.map((mask, i) => [mask, ids[i]!]));
  for (const [mask, id] of sent) if (!used.has(id)) unused.set(id, { task: task.id, mask });
  removeAllBut(masksOf(now(), task), task);
  return sent;
}

function removeAllBut(masks: readonly MaskDocument[], { id: task }: Task): void {
  for (const [id, old] of unused) {
    if (old.task !== task || masks.includes(old.mask)) continue;
    unused.delete(id);
    files.delete(old.mask);
    void look(() => api.removeFile(id));
  }
}

/** These are used by a job, out of which they can be taken back to be changed. */
export function keepMasks(sent: UploadedMasks): void {
  for (const id of sent.values()) {
    used.add(id);
    unused.delete(id);
  }
}

function uploadOnce(mask: MaskDocument, fps: number): Promise<string> {
  const known = files.get(mask) ?? upload(mask, fps);
  files.set(mask, known);
  known.catch(() => files.delete(mask)); // to be tried again
  return known;
}

async function upload(mask: MaskDocument, fps: number): Promise<string> {
  const bytes = await encodePng(drawMasks(mask), fps);
  const { id } = await api.upload(new Blob([bytes], { type: 'image/png' }), 'mask.png', 'mask');
  return id;
}

/**
 * A mask of an earlier request, to be painted on further. One that is no picture of the input's size
 * is kept as it was given; both are null if it is gone.
 */
export async function maskOfGiven(
  given: GivenMask,
  input: Media,
): Promise<{ painted: MaskDocument | null; kept: GivenMask | null }> {
  const source = sourceOf(given.mask);
  if (!source) return { painted: null, kept: given };
  const mask = await mediaOfSource(source);
  const painted = mask && (await maskOfMedia(mask, input, given.invert));
  return { painted, kept: mask && !painted ? given : null };
}

/** @returns  null if it cannot be painted on: it is of another size than its input, or a result */
async function maskOfMedia(
  mask: Media,
  input: Media,
  invert: boolean,
): Promise<MaskDocument | null> {
  // masks are uploads, whose frames the server cuts out
  if ('video_id' in mask.source) return null;
  if (mask.width !== input.width || mask.height !== input.height) return null;
  const frames = Array.from({ length: mask.numFrames }, (_, i) => mask.frameUrl?.(i) ?? mask.url);
  let document = emptyMask(input.width, input.height, input.numFrames);
  let last: Gray | null = null;
  for (const [frame, url] of frames.entries()) {
    const gray = await grayOf(url, mask, invert);
    if (last && gray.data.every((value, i) => value === last!.data[i])) continue; // carried over
    document = act(document, { kind: 'picture', frame, gray });
    last = gray;
  }
  return document;
}

async function grayOf(url: string, { width, height }: Media, invert: boolean): Promise<Gray> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d')!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) =>
      invert ? 255 - data[i * 4]! : data[i * 4]!,
    ),
  };
}
