import type { GivenMask } from '../../logic/draft.js';

/** Says which mask counts as long as no other one is made; it cannot be shown as a painting. */
export const KeptMask = ({ kept }: { kept: GivenMask | null }) =>
  kept && (
    <p class="hint" role="status">
      The mask of the result that you change counts until you make another one: {inWords(kept)}.
    </p>
  );

function inWords({ mask, invert }: GivenMask): string {
  const end = invert ? ', inverted' : '';
  if (typeof mask === 'object') {
    if ('box' in mask) return `a box${end}`;
    if ('colour' in mask) return `the pixels of a colour${end}`;
    if ('alpha' in mask) return `the transparent pixels${end}`;
  }
  return `a picture or clip that cannot be painted on here${end}`;
}
