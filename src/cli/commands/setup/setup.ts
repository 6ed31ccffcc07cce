/** `mfm setup`: builds the native addon for the LibTorch that is there. It runs without either. */
import { defineArgs, type Options } from '../../terminal/args.js';
import type { LibTorch } from './find-libtorch.js';

export const summary = 'build the native addon for the LibTorch of this machine';

export const args = defineArgs({
  options: {
    check: {
      kind: 'flag',
      describe: 'only show what is found, and whether the addon is up to date',
    },
  },
});

export const examples = [
  ['what a build would take', 'setup --check'],
  ['LibTorch and a compiler are found or, with apt, installed', 'setup'],
] as const;

export const details = () => `Environment:
  LIBTORCH    the folder of the LibTorch to build for
  BUILD_DIR   where the addon goes (default: build/ of the package; MFM_HOME or ~/.cache/mfm where
              that cannot be written to)
  MFM_ADDON   the addon that is used, an mfm.node`;

/**
 * Each step looks first whether its result is up to date and then does nothing and says nothing.
 *
 * @returns 1 if `--check` finds no addon that is up to date
 */
export async function run({ check }: Options<typeof args>): Promise<number | undefined> {
  const { buildFolder } = await import('../../../files/addon.js');
  const { buildAddon, isBuilt } = await import('./build-addon.js');
  const { expectUnix, installBuildTools, installFfmpeg, installLibTorch } = await import(
    './system-packages.js'
  );
  const { findLibTorch, noLibTorch } = await import('./find-libtorch.js');
  expectUnix();
  const folder = buildFolder();
  if (check) {
    const libTorch = findLibTorch();
    if (!libTorch) throw noLibTorch();
    const built = isBuilt(folder, libTorch);
    console.log(factLines(libTorch, built ? folder : `${folder} (to be built)`).join('\n'));
    return built ? 0 : 1;
  }
  const libTorch = findLibTorch() ?? installLibTorch();
  if (!isBuilt(folder, libTorch)) {
    installBuildTools();
    buildAddon(folder, libTorch);
  }
  installFfmpeg(folder);
  return undefined;
}

function factLines(libTorch: LibTorch, addon: string): string[] {
  const facts = { ...libTorch, addon };
  return Object.entries(facts).map(([name, value]) => `${name}: ${value}`);
}
