/** Parts of mixtures: pictures and clips with their places. */
import type { Job, MediaSource } from '../api/types.js';
import type { DepthPart, Draft, Media, Part } from '../logic/draft.js';
import { depthOf, type KnownRequest, knownOf } from '../logic/recall.js';
import { maskOfGiven } from './mask-file.js';
import { mediaOfSource } from './media.js';

const NO_MASK = { painted: null, kept: null };
let last = 0;

export function newPart(media: Media, at: number, length: number): Part {
  return { ...newDepthPart(media, at, length), gray: false, keep: 1, mask: null, given: null };
}

/** A picture can cover any number of frames, a clip those that it has. */
export function newDepthPart(media: Media, at: number, length: number): DepthPart {
  const longest = media.kind === 'video' ? media.numFrames : null;
  return { id: `part-${++last}`, media, at, length, longest };
}

/** The parts of a result, as they lie on the time line, and whether something of them is gone. */
export async function partsOf({
  request,
  num_frames: made,
}: Pick<Job, 'request' | 'num_frames'>): Promise<{
  placed: Pick<Draft, 'parts' | 'depthParts'>;
  isGone: boolean;
}> {
  const numFrames = Number(request.num_frames ?? made ?? 1);
  const parts: Part[] = [];
  let isGone = false;
  for (const { media: source, at, mask, depth, gray, keep } of knownOf(request)) {
    const media = await mediaOfSource(source);
    if (!media) {
      isGone = true;
      continue;
    }
    const { painted, kept } = mask ? await maskOfGiven(mask, media) : NO_MASK;
    if (mask && !painted && !kept) isGone = true;
    const part = newPart(media, ...spanOf(at, media, numFrames));
    parts.push({ ...part, mask: painted, given: { mask: kept, depth }, gray, keep });
  }
  const depthParts: DepthPart[] = [];
  for (const { media: source, at } of depthOf(request)) {
    const media = await mediaOfSource(source as MediaSource);
    const place = at ?? [0, numFrames - 1];
    if (media) depthParts.push(newDepthPart(media, ...spanOf(place, media, numFrames)));
    else isGone = true;
  }
  return { placed: { parts, depthParts }, isGone };
}

function spanOf(
  at: KnownRequest['at'],
  media: Media,
  numFrames: number,
): [at: number, length: number] {
  const fromStart = (place: number) => (place < 0 ? numFrames + place : place);
  if (typeof at !== 'number') {
    const [first, end] = [fromStart(at[0]), fromStart(at[1])];
    return [first, end - first + 1];
  }
  const first = fromStart(at);
  const rest = Math.max(1, numFrames - first);
  return [first, media.kind === 'video' ? Math.min(media.numFrames, rest) : 1];
}
