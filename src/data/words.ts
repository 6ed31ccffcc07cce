/** Scripts that are written without spaces between words. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;

/** The number of words in a caption, in any script. */
export function wordsIn(text: string): number {
  const spaced = text.split(/\s+/).filter((word) => word !== '').length;
  if (!UNSPACED.test(text)) return spaced;
  const segments = [...new Intl.Segmenter('en', { granularity: 'word' }).segment(text)];
  return Math.max(spaced, segments.filter(({ isWordLike }) => isWordLike).length);
}
