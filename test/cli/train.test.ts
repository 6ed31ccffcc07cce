import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../mfm', import.meta.url));
const recipe = fileURLToPath(new URL('../../recipes/mfm-mini.yaml', import.meta.url));

describe('mfm train', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-train-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const train = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(program, ['train', ...words], {
      encoding: 'utf8',
      cwd: folder,
    });
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

  test('--dry-run says what would be trained and how often each task, and starts no run', () => {
    const { status, stdout, stderr } = train(recipe, '--dry-run', '--init', 'before');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^mfm-mini: 64x64, nothing is trained; the run would be runs\/mfm-mini$/m);
    assert.match(stdout, /^ {2}autoencoder +6700 steps +from before +\d\.\d\d M parameters$/m);
    assert.match(stdout, /^ {2}latents +9000 clips of 17 frames, 36000 images$/m);
    assert.match(stdout, /^ {2}adapter +1500 steps +\d\.\d\d M parameters$/m);
    const count = /\d\.\d\d M parameters, and 0\.\d\d M parameters of the text encoder$/;
    assert.match(
      stdout,
      new RegExp(`^ {2}transformer +28000 steps +from before +${count.source}`, 'm'),
    );
    // 0.7 falling to 0.35 in the first 0.4 of the run: 0.4 * 0.525 + 0.6 * 0.35
    assert.match(stdout, /^images: 42\.0 % of the steps .*, 64 in each$/m);
    assert.match(stdout, /^clips: 58\.0 % of the steps, 16 in each$/m);
    const rows = [...stdout.matchAll(/^ {2}(\w+) +([\d.]+) +([\d.]+) % +([\d.]+) %$/gm)];
    assert.deepEqual(
      rows.map((row) => row.slice(1)),
      [
        ['t2i', '1', '100.0', '42.0'],
        ...['t2v', 'i2v', 'vsr', 'vinp'].map((id) => [id, '2', '25.0', '14.5']),
      ],
    );
    assert.ok(!existsSync(join(folder, 'runs')));
  });

  test('--dry-run says which tasks the data cannot teach, and which limits there are', () => {
    const own = join(folder, 'short.yaml');
    const autoencoder = { from: 'there', steps: 1, batches: [{ numFrames: 1, batchSize: 1 }] };
    const transformer = { steps: 5, maxSeconds: 90, numLayers: 1, mixAt: 0 };
    const latents = { clips: 1, images: 1, numFrames: 9 };
    writeFileSync(own, JSON.stringify({ name: 'short', autoencoder, latents, transformer }));
    const { status, stdout } = train(own, '--dry-run', '--run', 'elsewhere');
    assert.equal(status, 0);
    assert.match(stdout, /the run would be elsewhere$/m);
    assert.match(stdout, /^ {2}autoencoder +not trained +from there/m);
    assert.match(stdout, /^ {2}transformer +5 steps, at most 1 min 30 s +from scratch/m);
    assert.match(stdout, /^images: 10\.0 % of the steps, 64 in each$/m);
    assert.match(stdout, /^vexd: is left out \(fewer than 13 frames\)$/m);
    assert.match(stdout, /^vtrans: is left out \(fewer than 17 frames\)$/m);
    assert.doesNotMatch(stdout, /^ {2}vexd/m);
    const shares = [...stdout.matchAll(/^ {2}\w+ +[\d.]+ +[\d.]+ % +([\d.]+) %$/gm)];
    assert.equal(shares.length, 16);
    // each is rounded to a tenth
    const sum = shares.reduce((all, [, share]) => all + Number(share), 0);
    assert.ok(Math.abs(sum - 100) < 16 * 0.05, String(sum));
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
    assert.equal(readFileSync(join(run, 'recipe.json'), 'utf8'), '{}');
  });
});
