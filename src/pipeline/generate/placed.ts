/** Pictures, clips and depth that a request puts at places of its result's time line. */
import { InputError } from '../../errors.js';
import type { MediaSource } from '../../media/index.js';

/**
 * A place on the time line: a frame, counted from 0, or from the end with -1 for the last; or the first
 * and the last frame of a run.
 */
export type Place = number | readonly [first: number, last: number];

/** A picture or a clip that is known, in whole or in part. `M` is how media is given. */
export interface KnownPart<M = MediaSource> {
  media: M;
  /**
   * its place; a clip that is given its first frame alone takes as many as there are, and a picture that
   * is given a run holds for all of it
   */
  at: Place;
  /** white in the part to generate; gray keeps a share of what is there */
  mask?: M;
  /** swaps the part to generate and the part to keep */
  invert?: boolean;
  /** only its brightness is known */
  gray?: boolean;
  /** depth of its frames, white = near */
  depth?: M;
  /** how much of it is kept, above 0 and up to 1; default: 1 */
  keep?: number;
}

/** Depth of frames, whether or not their pixels are known. */
export interface DepthPart<M = MediaSource> {
  media: M;
  at: Place;
}

/** Is this depth with a place? */
export const hasPlace = <M>(depth: M | DepthPart<M>): depth is DepthPart<M> =>
  typeof depth === 'object' && depth !== null && 'media' in depth;

/** Depth without its place. */
export const bare = <M>(depth: M | DepthPart<M>): M => (hasPlace(depth) ? depth.media : depth);

/** The frames of a place. */
export interface Span {
  first: number;
  /** null: as far as it goes */
  count: number | null;
}

/**
 * The frames that a place means.
 *
 * @param name        begins the message
 * @param numFrames   of the result
 * @throws InputError for frames that the result does not have, and for a run that ends before it begins
 */
export function spanOf(name: string, place: Place, numFrames: number): Span {
  const frame = (index: number): number => {
    const from0 = index < 0 ? index + numFrames : index;
    if (from0 >= 0 && from0 < numFrames) return from0;
    throw new InputError(
      `${name}: frame ${index} lies outside of the result, which has ${framesInWords(numFrames)}; choose a place within them, or ask for more with \`numFrames\``,
    );
  };
  if (typeof place === 'number') return { first: frame(place), count: null };
  const [first, last] = [frame(place[0]), frame(place[1])];
  if (last < first) {
    throw new InputError(
      `${name}: ends at frame ${last}, before it begins at frame ${first}; give the first frame, then the last`,
    );
  }
  return { first, count: last - first + 1 };
}

const framesInWords = (count: number): string =>
  count === 1 ? '1 frame (0 or -1)' : `${count} frames (0 to ${count - 1}, or -${count} to -1)`;

/** What lies where, for messages. */
export interface Laid {
  name: string;
  at: readonly number[];
}

/** @throws InputError if a frame has two of them */
export function expectOnce(parts: readonly Laid[], is: 'known' | 'depth'): void {
  const names = new Map<number, string>();
  for (const { name, at } of parts) {
    for (const place of at) {
      const other = names.get(place);
      if (other !== undefined) {
        const has = is === 'known' ? 'is known' : 'has depth';
        throw new InputError(
          `${name}: frame ${place} ${has} already, from ${other === name ? 'another place of it' : other}; each frame can ${is === 'known' ? 'be known' : 'have depth'} once, so choose other places or leave one out`,
        );
      }
      names.set(place, name);
    }
  }
}
