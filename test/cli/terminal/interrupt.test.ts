import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
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
import { fromRoot } from '../../../src/files/package-root.js';
import { saveTinyPipeline } from '../../eval/tiny-pipeline.js';
import { program } from '../program.js';

const RECIPE = `
name: tiny
dtype: float32
data: [{ miniworld: { clips: 4, images: 4 } }]
autoencoder: { steps: 100000, batches: [{ numFrames: 1, batchSize: 1 }] }
transformer: { steps: 1, numLayers: 6, width: 16, height: 16, numFrames: 5 }
`;

describe('Ctrl-C', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-interrupt-'));
    saveTinyPipeline(join(folder, 'tiny'));
    writeFileSync(join(folder, 'tiny.yaml'), RECIPE);
    symlinkSync(fromRoot('models/mfm-mini'), join(folder, 'mini'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** Runs `mfm …` and presses Ctrl-C once a line on stderr matches. */
  function interrupted(words: string[], when: RegExp) {
    return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = spawn(program, words, { cwd: folder });
      const said = { stdout: '', stderr: '' };
      let pressed = false;
      child.stdout.on('data', (text) => {
        said.stdout += text;
      });
      child.stderr.on('data', (text) => {
        said.stderr += text;
        if (pressed || !when.test(said.stderr)) return;
        pressed = true;
        child.kill('SIGINT');
      });
      child.on('close', (code) => resolve({ code, ...said }));
    });
  }

  test('ends generate within a step, with nothing written', async () => {
    const words = ['generate', 't2i', '-p', 'a red cube', '--pipeline', 'tiny', '-o', 'out.png'];
    const { code, stdout, stderr } = await interrupted([...words, '--steps', '9999'], /t2i.*\d/);
    assert.equal(code, 130);
    assert.match(stderr, /stopping after this step/);
    assert.equal(stdout, '');
    assert.deepEqual(readdirSync(folder).sort(), ['mini', 'tiny', 'tiny.yaml']);
  });

  test('makes train save a checkpoint and say how to go on', async () => {
    const words = ['train', 'tiny.yaml', '--run', 'run', '--init', 'mini', '--workers=1'];
    words.push(
      '--set',
      'transformer.imageShare=[1, 0.5]',
      '--set',
      "pipeline.negativePrompt=it's off",
    );
    const { code, stderr } = await interrupted(words, /autoencoder.*steps/);
    assert.equal(code, 130);
    const typed =
      "--workers=1 --set 'transformer.imageShare=[1, 0.5]' --set 'pipeline.negativePrompt=it'\\''s off'";
    assert.ok(
      stderr.endsWith(
        `run: stopped; continue with \`./mfm train tiny.yaml --run run --init mini ${typed} --resume\`\n`,
      ),
      stderr,
    );
    // that of before the first step, and where it was stopped
    const saved = readdirSync(join(folder, 'run', 'checkpoints'));
    assert.deepEqual(
      saved.map((name) => name.replace(/\d{8}$/, 'STEP')),
      ['autoencoder-STEP', 'autoencoder-STEP'],
    );
    assert.deepEqual(
      saved.map((name) => Number(name.slice(-8)) > 0),
      [false, true],
    );
    const { init } = JSON.parse(readFileSync(join(folder, 'run', 'recipe.json'), 'utf8'));
    assert.equal(init, join(folder, 'mini'), 'is part of the run');
    rmSync(join(folder, 'run'), { recursive: true });
  });

  test('says so of several processes too', async () => {
    const words = ['train', 'tiny.yaml', '--nproc', '2', '--run', 'both'];
    const { code, stderr } = await interrupted(words, /autoencoder.*steps/);
    assert.equal(code, 130);
    const command = './mfm train tiny.yaml --nproc 2 --run both --resume';
    assert.ok(stderr.endsWith(`both: stopped; continue with \`${command}\`\n`), stderr);
  });
});
