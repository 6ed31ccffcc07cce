/** Fine-tuning as a user does it: a handful of own files, `mfm train`, and `mfm generate`. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { args, run } from '../../../../src/cli/commands/train/train.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { fromRoot } from '../../../../src/files/package-root.js';
import { readImage, readMedia, writeImage } from '../../../../src/media/index.js';
import { readLora } from '../../../../src/nn/index.js';
import { openSafetensors } from '../../../../src/tensor/index.js';
import { ffmpeg, noFfmpeg } from '../../../media/helpers.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { mfm as runProgram } from '../../program.js';
import { quietly } from '../../quietly.js';
import { noisy } from '../generate/generating.js';

const base = fromRoot('models/mfm-mini');
const folder = temporaryFolder();
const at = (...names: string[]) => join(folder, ...names);

function mfm(...words: string[]) {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  return runProgram(words, { cwd: folder, env });
}

/** Runs it, which must succeed; returns what it printed. */
function made(...words: string[]): string {
  const { status, stdout, stderr } = mfm(...words);
  assert.equal(status, 0, `${words.join(' ')}: ${stderr}`);
  return stdout;
}

/**
 * 64x64, up to five frames, a few steps that are large enough to show, one sample to measure on. Two
 * tasks, as every one has its own validation and sheet, which take longer than the steps.
 */
const FEW_STEPS = [
  ['base', base],
  ['validationSamples', '1'],
  ['data.0.manifest', 'own'],
  ['transformer.steps', '3'],
  ['transformer.tasks', '{ t2i: 1, i2v: 1 }'],
  ['transformer.numFrames', '5'],
  ['transformer.tokensPerBatch', '64'],
  ['transformer.warmupSteps', '0'],
  ['transformer.logEverySteps', '1'],
].flatMap(([key, value]) => ['--set', `${key}=${value}`]);

const PICTURE = ['t2i', '-p', 'noise', '--steps', '2', '--seed', '1', '--dtype', 'float32'];

async function picture(name: string, ...words: string[]): Promise<Uint8Array> {
  made('generate', ...PICTURE, ...words, '-o', at(name));
  return (await readImage(at(name))).data;
}

/** Mean over pixels and colours, of 255. */
const apart = (a: Uint8Array, b: Uint8Array): number =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

/** Names of the tensors of a file that differ between two pipelines, but for `gone`, which one lacks. */
function changed(run: string, file: string, gone = /^$/): string[] {
  const [was, now] = [join(base, file), at('runs', run, 'pipeline', file)].map(openSafetensors);
  const names = [...was!.keys()].filter((name) => !gone.test(name));
  assert.deepEqual([...now!.keys()].sort(), names.sort());
  return names.filter((key) => {
    const difference = now!.get(key).to('float32').sub(was!.get(key).to('float32'));
    return difference.abs().amax().item() > 0;
  });
}

const TRANSFORMER = 'transformer/diffusion_pytorch_model.safetensors';

describe('fine-tuning models/mfm-mini on own files', { skip: noFfmpeg }, () => {
  let plain: Uint8Array;
  before(async () => {
    mkdirSync(at('own'));
    const caption = (name: string, text: string) => writeFileSync(at('own', name), text);
    for (const i of [1, 2, 3]) {
      const clip = `testsrc2=size=96x64:rate=8`;
      ffmpeg('-f', 'lavfi', '-i', clip, '-ss', `${i}`, '-frames:v', '9', at('own', `c${i}.mp4`));
      caption(`c${i}.txt`, `a test picture with a counter, part ${i}`);
    }
    for (const i of [1, 2]) {
      await writeImage(at('own', `p${i}.png`), noisy(80, 64, 1, i));
      caption(`p${i}.txt`, `noise of seed ${i}`);
    }
    plain = await picture('plain.png', '--pipeline', base);
  });

  /** Figures of each step. */
  const metrics = (run: string): Record<string, number>[] =>
    readFileSync(at('runs', run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  function expectLosses(run: string): void {
    const losses = metrics(run).flatMap(({ loss }) => loss ?? []);
    assert.equal(losses.length, 3);
    for (const loss of losses) assert.ok(Number.isFinite(loss) && loss > 0, String(losses));
  }

  test('by layers of low rank: lora/ beside the base makes what pipeline/ makes', async () => {
    const words = ['train', fromRoot('recipes/finetune.yaml'), ...FEW_STEPS];
    words.push('--set', 'transformer.lora.rank=4', '--set', 'transformer.learningRate=0.02');
    assert.equal(made(...words), 'runs/finetune/pipeline\n');
    expectLosses('finetune');
    const { weights } = readLora(at('runs/finetune/lora'));
    for (const [name, { a }] of weights) assert.equal(a.size(0), 4, name);

    const merged = await picture('merged.png', '--pipeline', at('runs/finetune/pipeline'));
    const beside = await picture(
      ...(['beside.png', '--pipeline', base, '--lora', at('runs/finetune/lora')] as const),
    );
    assert.ok(apart(beside, plain) > 2, `${apart(beside, plain)} from the base`);
    // merged weights are rounded to bfloat16
    assert.ok(apart(merged, beside) < 0.5, `${apart(merged, beside)} apart`);
    // only what has a layer of low rank
    assert.deepEqual(
      changed('finetune', TRANSFORMER)
        .map((name) => name.replace(/\.weight$/, ''))
        .sort(),
      [...weights.keys()].sort(),
    );

    // what is finished is finished: the same once more
    const file = at('runs/finetune/pipeline', TRANSFORMER);
    const before = readFileSync(file);
    assert.equal(made(...words, '--resume'), 'runs/finetune/pipeline\n');
    assert.ok(readFileSync(file).equals(before), 'a resumed run that was finished');
  });

  test('in full: the transformer alone changes, and makes clips', async () => {
    const own = {
      name: 'full',
      seed: 2,
      base: 'named below',
      data: [{ manifest: 'named below' }],
      transformer: {
        steps: 1,
        tokensPerMicroBatch: 32,
        gradCheckpointing: true,
        imageShare: [0.5, 0.5],
        learningRate: 1e-3,
        freeze: ['transformer.pos_embed.*'],
      },
    };
    writeFileSync(at('full.json'), JSON.stringify(own));
    assert.equal(made('train', 'full.json', ...FEW_STEPS), 'runs/full/pipeline\n');
    expectLosses('full');
    for (const file of [
      'vae/diffusion_pytorch_model.safetensors',
      'text_encoder/model.safetensors',
    ]) {
      assert.deepEqual(changed('full', file), [], file);
    }
    // training weights of its own undoes the base's few steps
    const others = changed('full', TRANSFORMER, /delta_embedder/);
    assert.ok(
      others.some((name) => name.includes('attn1.q_proj')),
      String(others),
    );
    assert.ok(
      others.every((name) => !name.startsWith('pos_embed.')),
      String(others),
    );

    const pipeline = ['--pipeline', at('runs/full/pipeline')];
    const picture1 = await picture('full.png', ...pipeline);
    assert.ok(apart(picture1, plain) > 2, `${apart(picture1, plain)} from the base`);
    const clip = ['-i', at('own/p1.png'), '--size', '80x64', '--frames', '5', '--steps', '2'];
    made('generate', 'i2v', '-p', 'noise', ...pipeline, ...clip, '-o', at('full.mp4'));
    const { width, height, numFrames } = await readMedia(at('full.mp4'));
    assert.deepEqual([width, height, numFrames], [80, 64, 5]);
  });

  test('refuses what does not fit in one sentence, before it encodes; then the folder is free', async (t) => {
    const inFull = { name: 'part', base, data: [{ manifest: 'own' }], transformer: { steps: 1 } };
    writeFileSync(at('part.json'), JSON.stringify(inFull));
    const words = (change: string) => {
      const inPart = /^transformer\.(train|freeze)=/.test(change);
      const recipe = inPart ? at('part.json') : fromRoot('recipes/finetune.yaml');
      return [recipe, ...FEW_STEPS, '--run', at('none'), '--set', change];
    };
    const cases: [string, RegExp][] = [
      ['base=nowhere', /nowhere/],
      ['data.0.manifest=nothing', /nothing: /],
      ['transformer.lora.targets=["x_proj"]', /x_proj/],
      ['transformer.train=["transformer.x*"]', /x\*/],
    ];
    const home = process.cwd();
    process.chdir(folder);
    t.after(() => process.chdir(home));
    for (const [change, expected] of cases) {
      const options = parseArgs('mfm train', args, words(change));
      const { exitCode, message, stderr } = await quietly(() => run(options));
      assert.equal(exitCode, 2, `${change}: ${message}`);
      assert.match(message, expected);
      assert.doesNotMatch(message, /\n/);
      assert.doesNotMatch(stderr, /encoding/);
    }
    // this process lives on: had it kept the folder, another could not have it
    const { status, stderr } = mfm('train', ...words('transformer.freeze=["transformer.y*"]'));
    assert.equal(status, 2, stderr);
    assert.match(stderr.trim().split('\n').at(-1)!, /y\*/);
    assert.doesNotMatch(stderr, /^ {4}at |encoding/m);
  });
});
