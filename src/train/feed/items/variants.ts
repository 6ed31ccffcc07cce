/** Variants of the samples of files: parts of them at several scales, half of them mirrored. */
import { RandomStream } from '../../../data/random.js';
import { keyOf } from '../../../data/store.js';
import type { SourceItem } from './item.js';
import type { Part } from './part.js';

/** Parts have at least this many pixels on the shorter side, or are the whole of smaller pictures. */
const LEAST_SIDE = 64;
/** Smaller parts show too little of a picture. */
const LEAST_SCALE = 0.35;

/**
 * `count` variants of an item, the first of which is the item itself; the others follow from its content.
 *
 * @param item   of a file
 */
export function variantsOf(item: SourceItem, count: number): SourceItem[] {
  const { origin, facts, content, where } = item;
  if (origin.kind !== 'file' || !facts) return [item];
  const shorter = Math.min(facts.width, facts.height);
  const least = Math.min(1, Math.max(LEAST_SCALE, LEAST_SIDE / shorter));
  return Array.from({ length: count }, (_, i): SourceItem => {
    if (i === 0) return item;
    const random = new RandomStream(i, `variant ${content}`);
    // as many of each doubling
    const scale = least ** random.next();
    const part: Part = {
      scale,
      left: random.next(),
      top: random.next(),
      mirrored: random.chance(0.5),
    };
    const side = (length: number) => Math.max(1, Math.round(length * scale));
    const { width, height } = facts;
    return {
      ...item,
      where: `${where} part ${i}`,
      content: keyOf('part', content, part),
      partOf: content,
      origin: { ...origin, part },
      facts: { ...facts, width: side(width), height: side(height) },
    };
  });
}
