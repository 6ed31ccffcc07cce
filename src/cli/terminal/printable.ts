/** Keeps control characters in file names and captions from reaching the terminal. */

/** C0 except tab and line feed, delete, C1, and marks that change the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g;

/** Text with its control characters escaped: `\x1b`, `\u202e`. */
export const printable = (text: string): string =>
  text.replace(CONTROLS, (control) => {
    const code = control.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`;
  });

interface Output {
  write(text: string): unknown;
  isTTY?: boolean;
}

/** The original `write` of each guarded stream. */
const writers = new WeakMap<Output, (text: string) => unknown>();

/**
 * From now on, text written to these streams is made printable. Standard output is left unchanged if
 * it is not a terminal, as programs read paths from it.
 */
export function keepPrintable(stdout: Output, stderr: Output): void {
  if (stdout.isTTY) guard(stdout);
  guard(stderr);
}

function guard(stream: Output): void {
  const write = stream.write.bind(stream) as (...words: unknown[]) => unknown;
  writers.set(stream, write);
  stream.write = (data: unknown, ...rest: unknown[]) =>
    write(typeof data === 'string' ? printable(data) : data, ...rest);
}

/** Writes text with intended control characters. */
export const writeControls = (stream: Output, text: string): unknown =>
  (writers.get(stream) ?? stream.write.bind(stream))(text);
