/** Estimates or counts how much of a caption the text encoder reads. */

export interface CaptionLimit {
  /** tokens that are read, including the task's name and the closing token */
  tokens: number;
  /** counts the tokens of a caption, including those two; null: estimate them from the number of words */
  count: ((caption: string) => number) | null;
}

/** Limit of the released pipelines. */
export const RELEASED: CaptionLimit = { tokens: 77, count: null };

/** Tokens per English word in T5's vocabulary, including punctuation. */
const TOKENS_PER_WORD = 4 / 3;
/** Tokens that `#task: text-to-video` and the closing token take together. */
const TASK_TOKENS = 9;

export interface CaptionLength {
  tokens: number;
  isEstimate: boolean;
}

/** Length of a caption that is too long to be read to its end; null if all of it is read. */
export function excessOf(caption: string, { tokens, count }: CaptionLimit): CaptionLength | null {
  // every token has at least one letter, so a caption this short surely fits
  if (caption.length + TASK_TOKENS <= tokens) return null;
  const words = caption.split(/\s+/).length;
  const own = count ? count(caption) : Math.round(words * TOKENS_PER_WORD) + TASK_TOKENS;
  return own <= tokens ? null : { tokens: own, isEstimate: count === null };
}
