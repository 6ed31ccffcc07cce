/**
 * Detects truncated GIF files, which the decoder shows as far as they go, without an error.
 * Source: GIF89a specification, 1990
 */

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;

/** False if the file ends inside a block or without a trailer; bytes after the trailer do not matter. */
export function isWholeGif(bytes: Buffer): boolean {
  const tableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  let at = 13 + tableBytes(bytes[10] ?? 0);
  while (at < bytes.length) {
    const block = bytes[at];
    // some programs pad files with zeros, and decoders stop at anything that is not a block
    if (block === TRAILER || (block !== EXTENSION && block !== IMAGE)) return true;
    // an extension has a label; an image has position, size and flags, then the LZW code size
    at += block === EXTENSION ? 2 : 11 + tableBytes(bytes[at + 9] ?? 0);
    while (at < bytes.length && bytes[at] !== 0) at += bytes[at]! + 1;
    at++; // the empty sub-block that ends the block
  }
  return false;
}
