import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { mfm } from '../../program.js';

const folder = mkdtempSync(join(tmpdir(), 'mfm-setup-'));
after(() => rmSync(folder, { recursive: true }));

/** `mfm setup` on a machine that has these programs, and no apt. */
function setup(programs: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const bin = mkdtempSync(join(folder, 'bin-'));
  for (const name of ['sh', 'node', 'dirname', 'readlink', 'python3', ...programs]) {
    const path = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
    if (path) symlinkSync(path, join(bin, name));
  }
  const { LIBTORCH } = process.env;
  const { status, stderr, stdout } = mfm(['setup'], {
    cwd: folder,
    env: { HOME: folder, PATH: bin, BUILD_DIR: join(bin, 'build'), LIBTORCH, ...env },
  });
  assert.equal(stdout, '');
  assert.ok(!existsSync(join(bin, 'build')), 'nothing is begun');
  return { status, stderr };
}

describe('mfm setup', () => {
  const rest = 'must be installed: `apt install';
  for (const [programs, names, packages] of [
    [['c++', 'make'], 'CMake', 'cmake'],
    [['cmake', 'make'], 'a C++ compiler', 'g++'],
    [['cmake', 'c++'], 'Ninja or make', 'make'],
    [['make'], 'CMake and a C++ compiler', 'cmake g++'],
    [[], 'CMake, a C++ compiler and Ninja or make', 'cmake g++ make'],
  ] as const) {
    test(`says that ${names} is missing, and how to get it`, () => {
      const { status, stderr } = setup(programs);
      assert.equal(
        stderr,
        `mfm setup: to build the addon, ${names} ${rest} ${packages}\` (Debian, Ubuntu) or \`xcode-select --install\` and \`brew install cmake\` (macOS)\n`,
      );
      assert.equal(status, 1);
    });
  }

  test('refuses a LIBTORCH that is none before anything else', () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const { status, stderr } = setup([], { LIBTORCH: empty });
    assert.match(stderr, /^LIBTORCH=.*empty: must be a folder with .*; point it at .*\n$/);
    assert.equal(status, 2);
  });
});
