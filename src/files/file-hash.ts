/** Checksums of files. */
import { createHash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { openRegularSync } from './regular-file.js';

const CHUNK = 2 ** 24;

/** SHA-256 of a file of any size, in hex. @throws as `openRegularSync`, and read errors */
export function fileSha256(path: string): string {
  const hash = createHash('sha256');
  const file = openRegularSync(path);
  try {
    const buffer = Buffer.allocUnsafe(CHUNK);
    for (let read = 1; read > 0; ) {
      read = readSync(file, buffer, 0, CHUNK, null);
      hash.update(buffer.subarray(0, read));
    }
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}
