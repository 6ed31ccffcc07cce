/** How much of a caption the text encoder reads. */

export interface CaptionLimit {
  /** tokens that are read, the task's name and the closing one counted */
  tokens: number;
  /** tokens of a caption, those two counted; null: estimated by its words */
  count: ((caption: string) => number) | null;
}

/** Of the released pipelines. */
export const RELEASED: CaptionLimit = { tokens: 77, count: null };

/** Tokens that a word of English has in T5's vocabulary, punctuation counted to the words. */
const TOKENS_PER_WORD = 4 / 3;
/** Tokens that `#task: text-to-video` and the closing token take together. */
const TASK_TOKENS = 9;

export interface CaptionLength {
  tokens: number;
  isEstimate: boolean;
}

/** Length of a caption whose end is not read; null if all of it is. */
export function excessOf(caption: string, { tokens, count }: CaptionLimit): CaptionLength | null {
  // a token is a letter at least
  if (caption.length + TASK_TOKENS <= tokens) return null;
  const words = caption.split(/\s+/).length;
  const own = count ? count(caption) : Math.round(words * TOKENS_PER_WORD) + TASK_TOKENS;
  return own <= tokens ? null : { tokens: own, isEstimate: count === null };
}
