/** How much of a caption the text encoder reads. */

export interface CaptionLimit {
  /** tokens that are read, the closing one counted */
  tokens: number;
  /** tokens of a caption, the closing one counted; null: estimated by its words */
  count: ((caption: string) => number) | null;
}

/** Of the released pipelines. */
export const RELEASED: CaptionLimit = { tokens: 77, count: null };

/** Tokens that a word of English has in T5's vocabulary, punctuation counted to the words. */
const TOKENS_PER_WORD = 4 / 3;

/** A phrase if the end of the caption is not read; else null. */
export function captionExcess(caption: string, { tokens, count }: CaptionLimit): string | null {
  if (caption.length < tokens) return null; // a token is a letter at least
  const words = caption.split(/\s+/).length;
  const own = count ? count(caption) : Math.round(words * TOKENS_PER_WORD) + 1;
  if (own <= tokens) return null;
  const length = count ? `${own} tokens` : `${words} words, about ${own} tokens`;
  return `${length}, of which the text encoder reads ${tokens}: its end is cut off`;
}
