/** A word as a POSIX shell reads it back: in single quotes where it holds more than plain letters. */
export const shellWord = (word: string): string =>
  /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
