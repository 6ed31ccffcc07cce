/**
 * Whether a GIF is whole: its decoder shows what there is of one that is cut off, without a word.
 * Source: GIF89a specification, 1990
 */

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;

/** False if the file ends before its last block does; what follows the last one does not matter. */
export function isWholeGif(bytes: Buffer): boolean {
  const tableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + tableBytes(bytes[10] ?? 0);
  while (at < bytes.length) {
    const block = bytes[at];
    // programs pad files with zeros, and decoders stop at what is no block
    if (block === TRAILER || (block !== EXTENSION && block !== IMAGE)) return true;
    // a label; or a place, a size and flags, then the width of codes
    at += block === EXTENSION ? 2 : 11 + tableBytes(bytes[at + 9] ?? 0);
    while (at < bytes.length && bytes[at] !== 0) at += bytes[at]! + 1;
    at++; // the empty piece that ends the block
  }
  return false;
}
