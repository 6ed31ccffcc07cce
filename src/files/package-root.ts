/** Where this package lies: a checkout, or a folder in somebody's node_modules. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Manifest {
  name?: string;
  version: string;
}

const found = findPackage(dirname(fileURLToPath(import.meta.url)));

/** The folder of package.json, which is the same for src/ and for the dist/ that is built from it. */
export const packageRoot: string = found.folder;

/** The version in package.json. */
export const packageVersion: string = found.version;

/** Is this a checkout, with sources that tsx runs? A package has what was compiled from them. */
export const isCheckout: boolean = import.meta.url.endsWith('.ts');

/** What the program is called where commands to copy are shown. */
export const PROGRAM = isCheckout ? './mfm' : 'npx mfm';

/** The full path of what comes with the package: `fromRoot('recipes/demo.yaml')`. */
export function fromRoot(path: string): string {
  return join(packageRoot, path);
}

/** Goes up from `folder` to the package.json of mfm; there may be others on the way. */
function findPackage(folder: string): { folder: string; version: string } {
  const path = join(folder, 'package.json');
  if (existsSync(path)) {
    const { name, version } = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    if (name === 'mfm') return { folder, version };
  }
  const parent = dirname(folder);
  if (parent === folder) {
    throw new Error(`${fileURLToPath(import.meta.url)}: is not inside the package mfm`);
  }
  return findPackage(parent);
}
