/** Folders for files that tests write. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A folder that is removed after the tests of the file, or of the `describe` that this is called in. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mfm-test-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
