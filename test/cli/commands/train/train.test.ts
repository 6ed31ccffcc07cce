import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fromRoot } from '../../../../src/files/package-root.js';
import { mfm } from '../../program.js';

const recipe = fromRoot('recipes/mfm-mini.yaml');
const carried = fromRoot('models/mfm-mini');

describe('mfm train', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-train-'));
    for (const name of ['before', 'other']) symlinkSync(carried, join(folder, name));
  });
  after(() => rmSync(folder, { recursive: true }));

  const train = (...words: string[]) => {
    const { status, stdout, stderr } = mfm(['train', ...words], { cwd: folder });
    return { status, stdout, stderr };
  };

  test('names every unknown key and what was meant, and starts no run', () => {
    const { status, stderr } = train(
      recipe,
      '--set',
      'transformer.learningrate=1',
      '--set',
      'autoencoder.stepps=1',
    );
    assert.equal(status, 2);
    assert.match(stderr, /2 problems/);
    assert.match(stderr, /transformer\.learningrate: unknown key; did you mean "learningRate"\?/);
    assert.match(stderr, /autoencoder\.stepps: unknown key; did you mean "steps"\?/);
    assert.ok(!existsSync(join(folder, 'runs')));
  });

  test('--dry-run says parts, stages, tasks and what they cost here, and starts no run', () => {
    const { status, stdout, stderr } = train(recipe, '--dry-run', '--init', 'before');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^mfm-mini: nothing is trained; the run would be runs\/mfm-mini$/m);
    assert.match(stdout, /^ {2}autoencoder +6700 steps +2\.65 M parameters .* from before$/m);
    assert.match(stdout, /^ {2}encoding +45000 samples +[\d.]+ TFLOP +about /m);
    // the pipeline that it begins with has a trained adapter
    assert.doesNotMatch(stdout, /^ {2}adapter/m);
    const { stdout: anew } = train(recipe, '--dry-run');
    assert.match(anew, /^ {2}adapter +1500 steps +482 k parameters +[\d.]+ GFLOP a step +about /m);
    assert.match(
      stdout,
      /^transformer, from before: 9\.21 M parameters, and 347 k of the text encoder$/m,
    );
    assert.match(
      stdout,
      /^images: 64x64, 17 frames, 4000 steps of 1280 tokens, .* of memory, about/m,
    );
    assert.match(stdout, /^ {2}images: 100\.0 % of the steps, 80 of 16 tokens in each$/m);
    assert.match(stdout, /^clips: 64x64, 17 frames, 24000 steps of 1280 tokens, /m);
    // 0.5 falling to 0.28 in the first 0.4 of the stage: 0.4 * 0.39 + 0.6 * 0.28
    assert.match(
      stdout,
      /^ {2}images: 32\.4 % of the steps \(from 50\.0 %, 28\.0 % after 40\.0 %/m,
    );
    assert.match(stdout, /^ {2}clips: 67\.6 % of the steps, 16 of 80 tokens in each$/m);
    const rows = [
      ...stdout.matchAll(/^ {4}(\w+) +([\d.]+) +([\d.]+) % +([\d.]+) % of all steps$/gm),
    ];
    assert.deepEqual(
      rows.map((row) => row.slice(1)),
      [
        ['t2i', '1', '100.0', '100.0'],
        ['t2i', '1', '100.0', '32.4'],
        ...['t2v', 'i2v', 'vsr', 'vinp'].map((id) => [id, '2', '25.0', '16.9']),
      ],
    );
    assert.match(stdout, /^memory: [\d.]+ MB at its most, [\d.]+ GB is available$/m);
    assert.ok(!existsSync(join(folder, 'runs')));
  });

  test('--dry-run says which tasks the data cannot teach, and which limits there are', () => {
    const own = join(folder, 'short.yaml');
    const autoencoder = { from: carried };
    const transformer = { steps: 5, maxSeconds: 90, numLayers: 1, numFrames: 9, mixAt: 0 };
    writeFileSync(own, JSON.stringify({ name: 'short', autoencoder, transformer }));
    const { status, stdout } = train(own, '--dry-run', '--run', 'elsewhere', '--nproc', '2');
    assert.equal(status, 0);
    assert.match(stdout, /about [\w. ]+ in all, in 2 processes$/m);
    assert.match(
      stdout,
      /^memory: [\d.]+ MB at its most in each of 2 processes, [\d.]+ GB is available$/m,
    );
    assert.match(stdout, /the run would be elsewhere$/m);
    assert.match(stdout, /^ {2}autoencoder +not trained +from .*mfm-mini/m);
    assert.match(stdout, /^all: 64x64, 9 frames, 5 steps, at most 1 min 30 s of /m);
    assert.match(stdout, /^ {2}images: 10\.0 % of the steps, 80 of 16 tokens in each$/m);
    assert.match(stdout, /^ {4}vexd is left out \(fewer than 13 frames\)$/m);
    const shares = [...stdout.matchAll(/ ([\d.]+) % of all steps$/gm)];
    assert.equal(shares.length, 18);
    // each is rounded to a tenth
    const sum = shares.reduce((all, [, share]) => all + Number(share), 0);
    assert.ok(Math.abs(sum - 100) < 18 * 0.05, String(sum));
  });

  test('a run that goes on has the weights that it began with, unless others are named', () => {
    const [tiny, run] = ['tiny.json', 'begun'].map((name) => join(folder, name)) as [
      string,
      string,
    ];
    const transformer = { steps: 1, numLayers: 6, tasks: { t2i: 1 }, imageShare: [1, 1] };
    writeFileSync(tiny, JSON.stringify({ name: 'tiny', transformer }));
    mkdirSync(run);
    writeFileSync(join(run, 'recipe.json'), '{"init": "before"}');
    const from = (...words: string[]) =>
      /^transformer, (.*?):/m.exec(train(tiny, '--dry-run', '--run', run, ...words).stdout)?.[1];
    assert.equal(from('--resume'), 'from before');
    assert.equal(from('--resume', '--init', 'other'), 'from other');
    assert.equal(from(), 'from scratch');
  });

  test('--dry-run says what is trained where that is not all', () => {
    const own = join(folder, 'part.json');
    // 6 blocks of 256 x 256, and a vocabulary of 143 of width 128
    const patterns = ['transformer.*attn1.q_proj.weight', 'text_encoder.shared.weight'];
    writeFileSync(
      own,
      JSON.stringify({ name: 'part', base: carried, transformer: { steps: 1, train: patterns } }),
    );
    const { stdout } = train(own, '--dry-run');
    assert.match(
      stdout,
      /^transformer, from .*: 9\.21 M parameters, of which 393 k are trained, and 18\.\d k of the text encoder$/m,
    );
  });

  test('--dry-run needs the folders that are named', () => {
    const own = join(folder, 'gone.yaml');
    const recipe = { name: 'gone', autoencoder: { from: 'gone' }, transformer: { steps: 1 } };
    writeFileSync(own, JSON.stringify(recipe));
    const { status, stderr } = train(own, '--dry-run');
    assert.equal(status, 2);
    assert.equal(stderr, 'autoencoder.from: must be a pipeline folder, got gone, which is none\n');
  });

  test('tells before it makes a folder what could not be trained', () => {
    const own = join(folder, 'none.yaml');
    const transformer = { steps: 1, from: 'nowhere' };
    writeFileSync(own, JSON.stringify({ name: 'none', data: [{ manifest: 'gone' }], transformer }));
    for (const words of [[], ['--dry-run']]) {
      const { status, stdout, stderr } = train(own, ...words);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(
        stderr,
        /^none: 2 problems\n {2}gone: no such data set; .*\n {2}transformer\.from: /,
      );
    }
    assert.ok(!existsSync(join(folder, 'runs')), 'no run is there');
    const { status, stderr } = train(own, '--run', '');
    assert.deepEqual([status, stderr], [2, 'mfm train: --run: must be a folder, got ""\n']);
  });

  test('says that a recipe is missing', () => {
    const { status, stderr } = train('nowhere.yaml');
    assert.equal(status, 2);
    assert.match(stderr, /^nowhere\.yaml: no such recipe/);
  });

  test('leaves a folder that holds a run alone, and says how to go on', () => {
    const run = join(folder, 'mine');
    mkdirSync(run);
    writeFileSync(join(run, 'recipe.json'), '{}');
    const { status, stderr } = train(recipe, '--run', run);
    assert.equal(status, 2);
    assert.match(stderr, /holds a run already; --resume goes on with it/);
    const gone = train(recipe, '--run', run, '--resume', '--init', 'gone');
    assert.deepEqual([gone.status, readdirSync(run)], [2, ['recipe.json']]);
    assert.equal(readFileSync(join(run, 'recipe.json'), 'utf8'), '{}');
  });
});
