/** The npm package: packed, installed into an empty folder, compiled against and run there. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { packPlatform } from '../scripts/pack-platform.js';
import { ADDON, PLATFORMS, platform, platformPackage } from '../src/files/addon.js';
import { fromRoot, packageVersion } from '../src/files/package-root.js';

interface Manifest {
  exports: Record<string, unknown>;
  dependencies: Record<string, string>;
}

const manifest: Manifest = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8'));

/** What a program imports: `mfm`, `mfm/tensor`, … */
const entries = Object.keys(manifest.exports)
  .filter((path) => !path.endsWith('.json'))
  .map((path) => path.replace(/^\./, 'mfm'));

/** It has 24 MB, nearly all of them the trained models. */
const MOST_PACKED_BYTES = 25e6;

describe('the package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mfm-package-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const tarball = join(folder, `mfm-${packageVersion}.tgz`);
  const addon = join(folder, 'node_modules', platformPackage(platform));
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

  /** A program as it runs in the user's folder, without what this checkout's tests run with. */
  function run(program: string, words: readonly string[]) {
    const env = { ...process.env, HOME: folder, MFM_HOME: join(folder, 'cache') };
    for (const name of ['MFM_ADDON', 'NODE_OPTIONS', 'BUILD_DIR']) delete env[name as never];
    return spawnSync(program, words, { cwd: folder, env, encoding: 'utf8' });
  }
  const mfm = (...words: string[]) => run(join(folder, 'node_modules/.bin/mfm'), words);

  /** The one sentence that a command ends with. */
  function sentence(...words: string[]): string {
    const { status, stderr } = mfm(...words);
    assert.equal(status, 1, stderr);
    assert.equal(stderr.split('\n').length, 2, stderr);
    return stderr.trim();
  }

  before(() => {
    const pack = ['pack', '--silent', '--pack-destination', folder];
    execFileSync('npm', pack, { cwd: fromRoot('.'), stdio: ['ignore', 'ignore', 'inherit'] });
    write(
      'package.json',
      JSON.stringify({ name: 'user', private: true, type: 'module', overrides: ourVersions() }),
    );
    const install = ['install', '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
    execFileSync('npm', [...install, '--silent', tarball, packPlatform(folder)], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  });

  test('has what its manifest names, types that resolve, and no more than it should weigh', () => {
    const publint = [fromRoot('node_modules/publint/src/cli.js'), '--strict', '--pack', 'false'];
    const checked = run(process.execPath, [...publint, join(folder, 'node_modules/mfm')]);
    assert.equal(checked.status, 0, checked.stdout + checked.stderr);
    const attw = fromRoot('node_modules/@arethetypeswrong/cli/dist/index.js');
    const types = run(process.execPath, [attw, tarball, '--profile', 'esm-only']);
    assert.equal(types.status, 0, types.stdout + types.stderr);
    assert.ok(readFileSync(tarball).length < MOST_PACKED_BYTES);
    assert.ok(!existsSync(join(folder, 'node_modules/tsx')), 'tsx is for checkouts');
    assert.ok(!existsSync(join(folder, 'node_modules/mfm/src')));
  });

  // our declarations are checked themselves, too; once, as that takes a while
  for (const [module, resolution, ...more] of [
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler', '--skipLibCheck'],
  ] as const) {
    test(`compiles in a strict program with module resolution ${resolution}`, () => {
      // as a user has them who writes TypeScript for Node.js
      const types = join(folder, 'node_modules/@types');
      if (!existsSync(types)) symlinkSync(fromRoot('node_modules/@types'), types);
      write('program.ts', PROGRAM);
      const options = ['--strict', '--target', 'ES2023', '--module', module, ...more];
      const { status, stdout } = run(process.execPath, [
        fromRoot('node_modules/typescript/bin/tsc'),
        ...['--noEmit', ...options, '--moduleResolution', resolution, 'program.ts'],
      ]);
      assert.equal(status, 0, stdout);
    });
  }

  test('is a library for plain Node.js', () => {
    write('program.mjs', LIBRARY);
    const { status, stdout, stderr } = run(process.execPath, ['program.mjs']);
    assert.equal(status, 0, stderr);
    assert.equal(stdout, '11 t2i\n');
  });

  test('is a program: help, a picture by the model that it brings, worker threads', () => {
    const help = mfm('--help');
    assert.equal(help.status, 0, help.stderr);
    assert.match(help.stdout, /\n {2}npx mfm demo\n/);
    const made = mfm('generate', 't2i', '-p', 'a red cube', '--steps', '2', '-o', 'cube.png');
    assert.equal(made.status, 0, made.stderr);
    assert.equal(readFileSync(join(folder, 'cube.png')).toString('latin1', 1, 4), 'PNG');
    mkdirSync(join(folder, 'set'));
    for (const name of ['gecko.jpg', 'elephant.jpg']) {
      cpSync(join(folder, 'node_modules/mfm/examples/media', name), join(folder, 'set', name));
    }
    const looked = mfm('data', 'check', 'set', '--json', 'check.json');
    assert.equal(looked.status, 0, looked.stderr);
    assert.ok(existsSync(join(folder, 'check.json')), looked.stderr);
  });

  test('says in one sentence what is missing, and sets up without an addon', () => {
    const aside = join(folder, 'addon');
    renameSync(addon, aside);
    assert.equal(
      sentence('generate', 't2i', '-p', 'x'),
      'mfm: the native addon is missing; run `npx mfm setup`, which builds it' +
        (isReady ? `, or install the package ${platformPackage(platform)}` : ''),
    );
    assert.match(mfm('setup', '--check').stdout, /\naddon: .*mfm\/build \(to be built\)\n$/);

    // what setup built for all users, where the package could not be written to
    const cached = join(folder, 'cache', packageVersion);
    cpSync(aside, cached, { recursive: true });
    const info = mfm('info');
    assert.match(info.stdout, /LibTorch/, info.stderr);
    rmSync(cached, { recursive: true });

    const other = platformPackage(PLATFORMS.find((name) => name !== platform)!);
    const foreign = join(folder, 'node_modules', other);
    mkdirSync(foreign);
    writeFileSync(join(foreign, 'package.json'), JSON.stringify({ name: other }));
    assert.equal(
      sentence('generate', 't2i', '-p', 'x'),
      `mfm: node_modules is from another machine: it holds the native addon of ${other}, and this is ${platform}; install the packages anew here, or run \`npx mfm setup\``,
    );
    rmSync(foreign, { recursive: true });

    renameSync(aside, addon);
    const file = join(addon, ADDON);
    renameSync(file, aside);
    writeFileSync(file, 'no library');
    assert.match(
      sentence('generate', 't2i', '-p', 'x'),
      /mfm\.node: could not be loaded \(built for LibTorch \d+\.\d+\.\d+, .*\); run `npx mfm setup` to build it for the LibTorch that is installed now$/,
    );
    renameSync(aside, file);

    const record = join(addon, 'package.json');
    const text = readFileSync(record, 'utf8');
    writeFileSync(record, text.replace(packageVersion, '0.0.1'));
    const name = platformPackage(platform);
    assert.equal(
      sentence('generate', 't2i', '-p', 'x'),
      `${name} 0.0.1: goes with another mfm than ${packageVersion}; run \`npm install ${name}@${packageVersion}\``,
    );
    writeFileSync(record, text);
  });
});

const isReady = (PLATFORMS as readonly string[]).includes(platform);

/** The dependencies at the versions of our lock file: what npm has at hand, and what was tested. */
function ourVersions(): Record<string, string> {
  const lock = JSON.parse(readFileSync(fromRoot('package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string; dev?: boolean }>;
  };
  const wanted = Object.entries(lock.packages).flatMap(([path, { version, dev }]) =>
    path === '' || dev || path.lastIndexOf('node_modules/') > 0
      ? []
      : [[path.replace('node_modules/', ''), version] as const],
  );
  return Object.fromEntries(wanted);
}

const PROGRAM = `
${entries.map((name, i) => `import * as entry${i} from '${name}';`).join('\n')}
import { TASKS, type TaskId } from 'mfm/tasks';
import { Linear } from 'mfm/nn';
import { tensor, tidy, type Tensor } from 'mfm/tensor';

const entries: object[] = [${entries.map((_, i) => `entry${i}`).join(', ')}];
const sum: number = tidy((): number => tensor([1, 2]).sum().item());
// @ts-expect-error a string is no tensor
const wrong: Tensor = 'tensor';
console.log(entries.length, sum, Linear.name, wrong);
export const needs: (id: TaskId) => string = (id) => TASKS[id].id;
`;

const LIBRARY = `
for (const name of ${JSON.stringify(entries)}) {
  if (Object.keys(await import(name)).length === 0) throw new Error(name + ' is empty');
}
const { tensor, tidy } = await import('mfm/tensor');
const { TASKS } = await import('mfm/tasks');
console.log(tidy(() => tensor([1, 2]).mul(tensor([3, 4])).sum().item()), TASKS.t2i.id);
`;
