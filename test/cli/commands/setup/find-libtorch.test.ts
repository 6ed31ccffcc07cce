import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findLibTorch, howToInstall } from '../../../../src/cli/commands/setup/find-libtorch.js';
import { JobError } from '../../../../src/errors.js';

describe('findLibTorch', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'libtorch-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Files like those of an unpacked LibTorch, as far as the search reads them. */
  function unpack(name: string, { version = [2, 4], standard = 201703, error = '' } = {}) {
    const root = join(folder, name);
    const api = join(root, 'include/torch/csrc/api/include/torch');
    for (const path of [api, join(root, 'include/ATen'), join(root, 'lib')]) {
      mkdirSync(path, { recursive: true });
    }
    writeFileSync(
      join(api, 'version.h'),
      `#define TORCH_VERSION_MAJOR ${version[0]}\n#define TORCH_VERSION_MINOR ${version[1]}\n` +
        '#define TORCH_VERSION_PATCH 1\n',
    );
    writeFileSync(join(root, 'include/ATen/ATen.h'), `#if __cplusplus < ${standard}L\n#error\n`);
    for (const library of ['torch', 'torch_cpu', 'c10']) {
      writeFileSync(join(root, `lib/lib${library}.so`), `\0${error}\0`);
    }
    return root;
  }

  /** No python3, no Homebrew, no system library. */
  const nowhere = () => ({
    env: { PATH: join(folder, 'empty') } as NodeJS.ProcessEnv,
    systemPrefixes: [join(folder, 'empty')],
    brewPrefixes: [],
  });

  test('finds nothing where there is nothing, and knows four ways out', () => {
    assert.equal(findLibTorch(nowhere()), null);
    for (const way of ['apt install', 'brew install', 'pip install', 'LIBTORCH=']) {
      assert.ok(howToInstall.includes(way), way);
    }
  });

  test('takes the folder in LIBTORCH before the system', () => {
    const wanted = unpack('wanted');
    const places = { ...nowhere(), systemPrefixes: [unpack('system', { version: [1, 13] })] };
    assert.equal(findLibTorch(places)?.version, '1.13.1');
    const found = findLibTorch({ ...places, env: { ...places.env, LIBTORCH: wanted } });
    assert.equal(found?.version, '2.4.1');
    assert.deepEqual(found?.libraries, [
      join(wanted, 'lib/libtorch.so'),
      join(wanted, 'lib/libtorch_cpu.so'),
      join(wanted, 'lib/libc10.so'),
    ]);
  });

  test('does not pass over a wrong LIBTORCH', () => {
    const env = { LIBTORCH: join(folder, 'empty') };
    assert.throws(
      () => findLibTorch({ ...nowhere(), env }),
      /^InputError: LIBTORCH=.*: must be a folder/,
    );
  });

  test('refuses one that is too old, and names it', () => {
    const old = unpack('older', { version: [1, 12] });
    assert.throws(
      () => findLibTorch({ ...nowhere(), env: { LIBTORCH: old } }),
      new JobError(
        `LibTorch 1.12.1 (LIBTORCH=${old}): must be 1.13 or newer; install a newer one there, or set LIBTORCH to the folder of another`,
      ),
    );
  });

  test('passes over libraries without headers', () => {
    const root = unpack('headless');
    rmSync(join(root, 'include/ATen/ATen.h'));
    assert.equal(findLibTorch({ ...nowhere(), systemPrefixes: [root] }), null);
  });

  test('reads the C++ standard and the string type off the files', () => {
    const old = '_ZN3c105ErrorC2ENS_14SourceLocationESs';
    const roots = [unpack('old', { error: old }), unpack('new', { standard: 202002 })];
    const [first, second] = roots.map((root) =>
      findLibTorch({ ...nowhere(), env: { LIBTORCH: root } }),
    );
    assert.deepEqual([first?.cxx11Abi, first?.cxxStandard], [0, 17]);
    assert.deepEqual([second?.cxx11Abi, second?.cxxStandard], [1, 20]);
  });

  test('uses the OpenMP runtime that an unpacked LibTorch brings', () => {
    const root = unpack('openmp');
    writeFileSync(join(root, 'lib/libgomp-a34b3233.so.1'), '');
    const found = findLibTorch({ ...nowhere(), env: { LIBTORCH: root } });
    assert.equal(found?.openmp, join(root, 'lib/libgomp-a34b3233.so.1'));
  });
});
