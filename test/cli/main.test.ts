import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromRoot } from '../../src/files/package-root.js';
import { program, mfm as run } from './program.js';

const mfm: typeof run = (words, options) => run(words, { cwd: tmpdir(), ...options });

describe('mfm', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('lists its commands, from any folder and through links', () => {
    symlinkSync(program, join(folder, 'first'));
    symlinkSync('first', join(folder, 'second'));
    const { status, stdout, stderr } = mfm(['--help'], { path: join(folder, 'second') });
    assert.equal(stderr, '');
    assert.equal(status, 0);
    assert.match(stdout, /Commands:\n(.*\n)* {2}info +show facts about this machine/);
  });

  test('names its version, without LibTorch', () => {
    const { version } = JSON.parse(readFileSync(fromRoot('package.json'), 'utf8'));
    const env = { ...process.env, MFM_ADDON: '/nowhere/mfm.node' };
    for (const word of ['--version', '-V']) {
      const { status, stdout } = mfm([word], { env });
      assert.equal(status, 0);
      assert.equal(stdout, `${version}\n`);
    }
  });

  test('explains each command, without LibTorch', () => {
    const env = { ...process.env, MFM_ADDON: '/nowhere/mfm.node' };
    const { stdout } = mfm(['--help'], { env });
    const names = [...stdout.matchAll(/^ {2}(\w[\w-]*) {2,}/gm)].map((match) => match[1]!);
    assert.ok(names.length > 0);
    for (const name of names) {
      const help = mfm([name, '--help'], { env });
      assert.equal(help.status, 0, `${name}: ${help.stderr}`);
      assert.ok(help.stdout.startsWith(`mfm ${name}`));
    }
  });

  test('lists its commands without the packages that are slow to load', () => {
    const refuse = `export async function resolve(name, context, next) {
      if (/^(zod|csv-parse)/.test(name)) throw new Error(name + ' is loaded');
      return next(name, context);
    }`;
    const data = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
    const hook = data(
      `import { register } from 'node:module'; register(${JSON.stringify(data(refuse))})`,
    );
    const env = { ...process.env, NODE_OPTIONS: `--import ${hook}` };
    const { status, stderr } = mfm(['--help'], { env });
    assert.equal(status, 0, stderr);
    // which needs them for the keys of a recipe
    assert.match(mfm(['train', '--help'], { env }).stderr, /zod is loaded/);
  });

  test('leaves with 2 and one sentence for wrong usage', () => {
    const cases: [string[], RegExp][] = [
      [['inof'], /^mfm: unknown command "inof"; did you mean "info"\?\n$/],
      [['constructor'], /^mfm: unknown command "constructor"; `\.\/mfm --help` lists.*\n$/],
      [['info', '--jsonn'], /^mfm info: unknown option --jsonn; did you mean "--json"\?\n$/],
      [['info', '--device', 'cpu'], /^--device: is about the cost of a result; .*\n$/],
      [['info', 'mfm-2b', 'more'], /^mfm info: "more" is one word too many.*\n$/],
    ];
    for (const [words, sentence] of cases) {
      const { status, stdout, stderr } = mfm(words);
      assert.equal(status, 2);
      assert.equal(stdout, '');
      assert.match(stderr, sentence);
    }
  });

  test('shows the stack with --debug', () => {
    const { status, stderr } = mfm(['inof', '--debug']);
    assert.equal(status, 2);
    assert.match(stderr, /did you mean.*\n(.*\n)*.*main\.ts/);
  });

  test('says what to do where there is no Node.js', () => {
    // a folder with the shell's tools but without node
    for (const tool of ['sh', 'readlink', 'dirname']) {
      const found = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' });
      symlinkSync(found.stdout.trim(), join(folder, tool));
    }
    const { status, stderr } = mfm(['info'], { env: { PATH: folder } });
    assert.equal(status, 1);
    assert.match(stderr, /^mfm: Node\.js 20 or newer is needed.*\n$/);
  });

  test('does not let its stdout be closed with a stack trace', () => {
    const { stderr } = spawnSync('sh', ['-c', `"${program}" --help | true`], {
      encoding: 'utf8',
      cwd: dirname(program),
    });
    assert.equal(stderr, '');
  });
});
