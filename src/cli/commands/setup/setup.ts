/** `mfm setup`: builds the native addon for this machine's LibTorch. It runs without either of them. */
import { defineArgs, type Options } from '../../terminal/args.js';
import type { LibTorch } from './find-libtorch.js';

export const summary = 'build the native addon for the LibTorch of this machine';

export const args = defineArgs({
  options: {
    check: {
      kind: 'flag',
      describe: 'only show what was found, and whether the addon is up to date',
    },
  },
});

export const examples = [
  ['show what a build would use', 'setup --check'],
  ['find LibTorch and a compiler, or install them with apt, and build', 'setup'],
] as const;

export const details = () => `Environment:
  LIBTORCH    folder of the LibTorch to build against
  BUILD_DIR   folder for the addon (default: build/ of the package; MFM_HOME or ~/.cache/mfm if
              that cannot be written to)
  MFM_ADDON   path of the mfm.node to use`;

/**
 * Each step first checks whether its result is up to date; if so, it does and prints nothing.
 *
 * @returns 1 if `--check` finds that the addon is not up to date
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
