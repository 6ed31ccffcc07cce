import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, beforeEach, describe, test } from 'node:test';
import sharp from 'sharp';
import { args, run } from '../../../../src/cli/commands/generate/generate.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { type Frames, readImage, sliceFrames, writeImage } from '../../../../src/media/index.js';
import {
  openSafetensors,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../../../../src/tensor/index.js';
import { saveTinyPipeline } from '../../../eval/tiny-pipeline.js';
import { noFfmpeg } from '../../../media/helpers.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { quietly } from '../../quietly.js';
import { ChatServer } from './chat-server.js';

const root = temporaryFolder();
const at = (name: string) => join(root, name);
const out = (name: string) => join(root, 'out', name);

/** Runs `mfm generate …` in this process, quietly. */
function generate(...words: string[]) {
  const pipeline = words.some((word) => /^--pipeline/.test(word)) ? [] : ['--pipeline', at('tiny')];
  const steps = words.includes('--steps') ? [] : ['--steps', '1'];
  const all = [...words, ...pipeline, ...steps];
  return quietly(() => run(parseArgs('mfm generate', args, all) as never));
}

function frames(numFrames: number, width = 32, height = 32): Frames {
  const data = Uint8Array.from(
    { length: numFrames * height * width * 3 },
    (_, i) => (i * 31) % 251,
  );
  return { width, height, numFrames, data };
}

/** A clip as a folder of PNG files, which keeps every pixel and needs no ffmpeg. */
async function writeFolder(name: string, clip: Frames): Promise<string> {
  mkdirSync(at(name));
  for (let i = 0; i < clip.numFrames; i++) {
    await writeImage(join(at(name), `${i}.png`), sliceFrames(clip, i, i + 1));
  }
  return at(name);
}

/** White in the left half. */
function halfMask(width: number, height: number, numFrames = 1): Frames {
  const mask = { ...frames(numFrames, width, height) };
  mask.data = mask.data.map((_, i) => (Math.floor(i / 3) % width < width / 2 ? 255 : 0));
  return mask;
}

/**
 * A tiny pipeline whose adapter is loud. With fresh weights its signal fades from layer to layer, and
 * what it is given shows in 8 bits only where a processor's rounding happens to show it.
 */
function saveHeedful(folder: string): void {
  saveTinyPipeline(folder);
  const path = join(folder, 'transformer/diffusion_pytorch_model.safetensors');
  const stored = openSafetensors(path);
  tidy(() => {
    const loud = (key: string) => /^cond_conv\..*weight$/.test(key);
    const weights = stored.keys().map((key): [string, Tensor] => {
      const weight = stored.get(key);
      return [key, loud(key) ? weight.mul(4) : weight.clone()];
    });
    saveSafetensors(path, new Map(weights), stored.metadata);
  });
  stored.close();
}

before(async () => {
  saveTinyPipeline(at('tiny'));
  saveTinyPipeline(at('tiny-depth'), { usesDepth: true });
  await writeImage(at('near.png'), halfMask(32, 32));
  await writeFolder('clip', frames(5));
  await writeFolder('mask-2', halfMask(32, 32, 2));
  await writeImage(at('photo.png'), frames(1, 40, 30));
  await writeImage(at('square.png'), frames(1));
  await writeImage(at('mask.png'), halfMask(32, 32));
  await writeFolder('long', frames(13));
  await writeImage(at('mask-small.png'), halfMask(16, 32));
  await writeImage(at('mask-black.png'), {
    ...frames(1),
    data: new Uint8Array(32 * 32 * 3),
  });
  writeFileSync(at('text.mp4'), 'this is no clip, it is text\n');
  writeFileSync(at('empty.mp4'), '');
  writeFileSync(at('damaged.png'), readFileSync(at('photo.png')).subarray(0, -60));
});
beforeEach(() => rmSync(at('out'), { recursive: true, force: true }));

describe('mfm generate', () => {
  test('t2i writes a PNG of the pipeline’s size and prints its path', async () => {
    const { stdout, stderr } = await generate('t2i', '-p', 'a cube', '-o', out('a.png'));
    assert.equal(stdout, `${out('a.png')}\n`);
    assert.match(stderr, /t2i 32x32, seed \d+/);
    const { width, height } = await readImage(out('a.png'));
    assert.deepEqual([width, height], [32, 32]);
  });

  test('a device must be one that there is, and have the dtype', async () => {
    const ask = (...words: string[]) =>
      generate('t2i', '-p', 'a cube', '-o', out('a.png'), ...words);
    for (const [words, message] of [
      [
        ['--device', 'gpu'],
        /^mfm generate: --device: must be auto, cpu, cuda, cuda:N or mps, got "gpu"$/,
      ],
      [['--device', 'cuda:99'], /^--device cuda:99: .*; .*/],
      [['--device', 'cpu', '--dtype', 'float16'], /^--dtype float16: works on GPUs only/],
    ] as const) {
      const { exitCode, message: said } = await ask(...words);
      assert.equal(exitCode, 2);
      assert.match(said, message);
    }
    assert.equal((await ask('--device', 'cpu')).exitCode, 0);
  });

  test('the seed that it says makes the same picture again', async () => {
    const { stderr } = await generate('t2i', '-p', 'a cube', '-o', out('a.png'));
    const seed = /seed (\d+)/.exec(stderr)![1]!;
    await generate('t2i', '-p', 'a cube', '--seed', seed, '-o', out('b.png'));
    assert.deepEqual(readFileSync(out('b.png')), readFileSync(out('a.png')));
    const wide = ['--seed', seed, '--size', '48x32', '-o', out('c.png')];
    await generate('t2i', '-p', 'a cube', ...wide);
    assert.equal((await readImage(out('c.png'))).width, 48);
  });

  test('the file holds the recipe of its result', async () => {
    await generate('t2i', '-p', 'a é cube', '--seed', '5', '-o', out('a.png'));
    const { exif } = await sharp(out('a.png')).metadata();
    const text = exif!.toString('latin1');
    const recipe = JSON.parse(text.slice(text.indexOf('{"'), text.lastIndexOf('}') + 1));
    const { task, prompt, seed, numInferenceSteps, made } = recipe;
    assert.deepEqual([task, prompt, seed, numInferenceSteps], ['t2i', 'a é cube', 5, 1]);
    const { width, height, numFrames, solver, device, node } = made;
    assert.deepEqual([width, height, numFrames, solver, device], [32, 32, 1, 'euler', 'cpu']);
    assert.equal(`v${node}`, process.version);
    assert.match(made.dtype, /^(float32|bfloat16)$/);
    for (const version of [made.mfm, made.libtorch]) assert.match(version, /^\d+\.\d+\.\d+/);
  });

  test('a list of prompts fills a folder, and goes on where it stopped', async () => {
    writeFileSync(at('prompts.txt'), 'a cube\na red cube\n');
    const words = ['t2i', '--batch', at('prompts.txt'), '--samples', '2', '-o', out('')];
    const { stdout } = await generate(...words);
    assert.equal(stdout.trim().split('\n').length, 4);
    const names = ['0001-a-cube-0', '0001-a-cube-1', '0002-a-red-cube-0', '0002-a-red-cube-1'];
    const files = names.flatMap((name) => [`${name}.png`, `${name}.png.json`]);
    assert.deepEqual(readdirSync(out('')).sort(), files.sort());

    rmSync(out('0002-a-red-cube-0.png'));
    const again = await generate(...words);
    assert.equal(again.stdout, `${out('0002-a-red-cube-0.png')}\n`);
    assert.match(again.stderr, /3 of 4 existed already/);
    const other = await generate(...words, '--negative-prompt', 'red');
    assert.equal(other.stdout.trim().split('\n').length, 4, 'other settings, other results');
    const unused = await generate(...words, '--negative-prompt', 'red', '--guidance', '1');
    assert.match(unused.stderr, /a negative prompt has no effect at --guidance 1; raise it above/);
    const twice = await generate(...words, '-p', 'a sphere');
    assert.match(twice.message, /^-p: all lines of the batch have prompts of their own; leave it/);
  });

  test('a batch is not made again by other versions, but where the JSON is damaged', async () => {
    writeFileSync(at('two.txt'), 'a cube\na red cube\n');
    const words = ['t2i', '--batch', at('two.txt'), '-o', out('')];
    await generate(...words);
    const about = out('0001-a-cube.png.json');
    const whole = readFileSync(about, 'utf8');
    const recipe = JSON.parse(whole);
    assert.equal(typeof recipe.made.seconds, 'number');
    recipe.made = { mfm: '0.0.1' };
    writeFileSync(about, JSON.stringify(recipe));
    assert.match((await generate(...words)).stderr, /2 of 2 existed already/);

    for (const damaged of ['', 'null', '[1]', '"text"', whole.slice(0, 40), '\0\0\0']) {
      writeFileSync(about, damaged);
      const again = await generate(...words);
      assert.equal(again.exitCode, 0, again.message);
      assert.equal(again.stdout, `${out('0001-a-cube.png')}\n`, `after ${damaged}`);
      assert.match(again.stderr, /1 of 2 existed already/);
      assert.equal(JSON.parse(readFileSync(about, 'utf8')).seed, 0);
    }
  });

  test('a batch is made again where a file that it reads has changed', async () => {
    mkdirSync(at('changing'));
    for (const name of ['one.png', 'two.png']) {
      await writeImage(join(at('changing'), name), frames(1));
      await writeImage(join(at('changing'), name.replace('.', '_mask.')), halfMask(32, 32));
    }
    const words = ['iinp', '--batch', at('changing'), '-o', out('')];
    await generate(...words);
    assert.match((await generate(...words)).stderr, /2 of 2 existed already/);
    const later = new Date(Date.now() + 10_000);
    utimesSync(join(at('changing'), 'two_mask.png'), later, later);
    const again = await generate(...words);
    assert.deepEqual([again.exitCode, again.stdout], [0, `${out('0002-two.png')}\n`]);
    assert.match(again.stderr, /1 of 2 existed already/);
  });

  test('a wrong row of a list is named, and the others are made', async () => {
    const rows = ['{"prompt": "a cube"}', '{"input": "none.png"}', '{"prompt": "a red cube"}'];
    writeFileSync(at('rows.jsonl'), rows.join('\n'));
    const { exitCode, stderr } = await generate('t2i', '--batch', at('rows.jsonl'), '-o', out(''));
    assert.equal(exitCode, 2);
    assert.match(stderr, /rows\.jsonl:2: t2i: needs a prompt/);
    assert.equal(readdirSync(out('')).filter((name) => name.endsWith('.png')).length, 2);
  });

  test('a command line of the reference makes what it asks for', async () => {
    writeFileSync(at('words.txt'), 'a cube\na red cube\n');
    const { exitCode, message, stderr } = await generate(
      ...['--task', 't2i', '--pipeline_path', at('tiny'), '--t2i_inputs', at('words.txt')],
      ...['--output_dir', out(''), '--mixed_precision', 'no', '--height', '32', '--width', '48'],
      ...['--use_simple_name', '--ext', '.jpg', '--num_samples', '1'],
    );
    assert.equal(exitCode, 0, message + stderr);
    const names = ['0001.jpg', '0001.jpg.json', '0002.jpg', '0002.jpg.json'];
    assert.deepEqual(readdirSync(out('')).sort(), names);
    const { size, dtype, made } = JSON.parse(readFileSync(out('0001.jpg.json'), 'utf8'));
    assert.deepEqual([size, dtype], [{ width: 48, height: 32 }, 'float32']);
    assert.deepEqual([made.width, made.height, made.dtype], [48, 32, 'float32']);
  });

  test('--use-t-schedule goes through other noise levels', async () => {
    const words = ['t2i', '-p', 'a cube', '--seed', '1', '--steps', '5'];
    await generate(...words, '-o', out('a.png'));
    await generate(...words, '--use-t-schedule', '-o', out('b.png'));
    assert.notDeepEqual(readFileSync(out('a.png')), readFileSync(out('b.png')));
  });

  test('--noise-aug-strength changes what is made, and nothing of what is kept', async () => {
    const heedful = at('heedful');
    saveHeedful(heedful);
    const words = ['iinp', '-i', at('square.png'), '--mask', at('mask.png'), '--seed', '1'];
    words.push('--pipeline', heedful);
    const pictures: Uint8Array[] = [];
    for (const strength of ['0', '0.5', '0.5']) {
      await generate(...words, '--noise-aug-strength', strength, '-o', out('a.png'));
      pictures.push((await readImage(out('a.png'))).data);
    }
    const [clean, noisy, again] = pictures as [Uint8Array, Uint8Array, Uint8Array];
    assert.deepEqual(noisy, again, 'the same seed, the same noise');
    assert.notDeepEqual(noisy, clean);
    const kept = (data: Uint8Array) => data.filter((_, i) => Math.floor(i / 3) % 32 >= 16);
    assert.deepEqual(kept(noisy), kept(clean));
  });

  test('a folder gives inputs with their masks', async () => {
    mkdirSync(at('filled'));
    await writeImage(join(at('filled'), 'one.png'), frames(1));
    await writeImage(join(at('filled'), 'one_mask.png'), halfMask(32, 32));
    const got = await generate('iinp', '--batch', at('filled'), '-o', out(''));
    assert.equal(got.stdout, `${out('0001-one.png')}\n`, got.stderr);
    const colour = await generate('icolor', '--batch', at('filled'), '-o', out('colour'));
    assert.equal(colour.stdout, `${join(out('colour'), '0001-one.png')}\n`, colour.stderr);
  });

  test('images are coloured, enlarged and filled at sizes that fit them', async () => {
    const photo = ['-i', at('photo.png')];
    const masked = ['-i', at('square.png'), '--mask', at('mask.png')];
    for (const [words, width, height] of [
      [['icolor', ...photo], 40, 30],
      [['isr', ...photo], 80, 60],
      [['iinp', ...masked], 32, 32],
      [['ioutp', ...masked], 32, 32],
    ] as const) {
      const got = await generate(...words, '-o', out('a.png'));
      assert.equal(got.exitCode, 0, got.message);
      const made = await readImage(out('a.png'));
      assert.deepEqual([words[0], made.width, made.height], [words[0], width, height]);
    }
  });

  test('--rewrite-prompt: both prompts are in the recipe, and nothing is asked twice', async () => {
    const server = await new ChatServer().start();
    const { OPENAI_API_KEY } = process.env;
    process.env.OPENAI_API_KEY = 'secret-key';
    try {
      writeFileSync(at('wishes.txt'), 'a cube\na red cube\n');
      const words = ['t2i', '--batch', at('wishes.txt'), '-o', out(''), '--samples', '2'];
      const rewrite = ['--refine_prompt', '--rewrite-url', server.url, '--rewrite-model', 'm'];
      server.answers = ['A cube lies on a floor.', { status: 400 }];
      const first = await generate(...words, ...rewrite);
      assert.equal(first.exitCode, 1, 'a job whose prompt is not rewritten fails');
      assert.match(first.stderr, /prompt: A cube lies on a floor\./);
      assert.match(first.stderr, /wishes\.txt:2: 127\.0\.0\.1:\d+: refuses the request/);
      const names = readdirSync(out('')).filter((name) => name.endsWith('.png'));
      assert.deepEqual(names, ['0001-a-cube-0.png', '0001-a-cube-1.png']);
      const text = readFileSync(out('0001-a-cube-1.png.json'), 'utf8');
      const recipe = JSON.parse(text);
      assert.deepEqual([recipe.prompt, recipe.rewriteModel], ['a cube', 'm']);
      assert.equal(recipe.made.prompt, 'A cube lies on a floor.');
      assert.doesNotMatch(text + first.stderr, /secret-key/);

      server.seen.length = 0;
      server.answers = ['A red cube.'];
      const again = await generate(...words, ...rewrite);
      assert.match(again.stderr, /2 of 4 existed already/);
      assert.equal(server.seen.length, 1, 'two samples of one prompt, one question');
      const plain = await generate(...words);
      assert.equal(plain.stdout.trim().split('\n').length, 4, 'as it is, another result');
      assert.equal(server.seen.length, 1);
    } finally {
      if (OPENAI_API_KEY === undefined) delete process.env.OPENAI_API_KEY;
      else process.env.OPENAI_API_KEY = OPENAI_API_KEY;
      await server.stop();
    }
  });

  describe('clips', { skip: noFfmpeg }, () => {
    test('clips go on and become others, with what was there before and after', async () => {
      const long = ['-i', at('long')];
      for (const [words, numFrames] of [
        [['vexd', ...long, '--frames', '9'], 5 + 9],
        [['vtrans', ...long, ...long, '--frames', '17'], 9 + 17 + 9],
        [['itrans', '-i', at('photo.png'), '-i', at('square.png')], 5],
        [['vcolor', ...long, '--frames', '5'], 5],
      ] as const) {
        const got = await generate(...words, '-o', out('a.mp4'));
        assert.equal(got.exitCode, 0, got.message);
        assert.match(got.stderr, new RegExp(`${words[0]} \\d+x\\d+, ${numFrames} frames`));
      }
    });

    test('--compat reference lays an input out with bars', async () => {
      const words = ['i2v', '-i', at('photo.png'), '--size', '64x32', '-o', out('a.mp4')];
      const own = ['--compat', 'reference', '--crop_type', 'keep_res'];
      assert.match(
        (await generate(...words, '--compat', 'reference')).stderr,
        /i2v 64x32, 5 frames/,
      );
      assert.match((await generate(...words, ...own)).stderr, /i2v 32x32, 5 frames/);
    });

    test('given depth goes into the result, from a row of a list too', async () => {
      const words = ['i2v', '-i', at('square.png'), '--seed', '1', '--ext', 'gif'];
      const pipeline = ['--pipeline', at('tiny-depth'), '--batch', at('depths.jsonl')];
      writeFileSync(at('depths.jsonl'), '{}\n{"depth": "near.png"}\n{"depth": "near.png"}\n');
      const { stdout, stderr } = await generate(...words, ...pipeline, '--output-dir', out(''));
      const [none, near, again] = stdout
        .trim()
        .split('\n')
        .map((path) => readFileSync(path));
      assert.match(stderr, /goes without depth; name one with --depth-model, or give depth with/);
      assert.notDeepEqual(none, near);
      assert.deepEqual(near, again);
    });

    test('each task writes its clip and says what it fitted', async () => {
      const i2v = await generate('i2v', '-i', at('photo.png'), '-o', out('i2v.mp4'));
      assert.match(i2v.stderr, /photo\.png: 40x30 becomes 32x32|photo\.png: 40x30 becomes \d+x\d+/);
      const vsr = await generate('vsr', '-i', at('clip'), '-o', out('vsr.mp4'));
      assert.match(vsr.stderr, /64x64 is made in tiles of 32x32/);
      assert.match(vsr.stderr, /vsr 64x64, 5 frames, seed/);
      await generate('t2v', '-p', 'a cube', '-o', out('t2v.mp4'));
      assert.deepEqual(readdirSync(at('out')).sort(), ['i2v.mp4', 't2v.mp4', 'vsr.mp4']);
    });
  });
});

describe('mfm generate refuses, with one sentence, exit code 2 and nothing written', () => {
  const cases: [string, () => string[], RegExp][] = [
    ['an unknown task', () => ['t2x', '-p', 'a'], /^t2x: unknown task; did you mean "t2\w"/],
    ['no prompt', () => ['t2v'], /^t2v: needs a prompt; give one with -p/],
    ['an empty prompt', () => ['t2v', '-p', ' '], /^t2v: needs a prompt/],
    ['no input', () => ['i2v', '-p', 'a'], /^i2v: needs an image; give one with -i FILE/],
    ['no clip', () => ['vsr'], /^vsr: needs a clip; give one with -i FILE/],
    ['one image of two', () => ['itrans', '-i', at('photo.png')], /^itrans: needs two images/],
    [
      'too few frames for both ends',
      () => ['itrans', '-i', at('photo.png'), '-i', at('square.png'), '--frames', '1'],
      /^1 frames: are fewer than the 2 known frames of the input; ask for more with --frames/,
    ],
    [
      'a crop type without --compat',
      () => ['i2v', '-i', at('photo.png'), '--crop-type', 'keep_res'],
      /^--crop-type: belongs to --compat reference/,
    ],
    ['a missing file', () => ['i2v', '-i', at('none.png')], /none\.png: /],
    ['a damaged file', () => ['i2v', '-i', at('damaged.png')], /damaged\.png: cannot be decoded/],
    ['an empty file', () => ['vsr', '-i', at('empty.mp4')], /empty\.mp4: the file is empty/],
    ['text named .mp4', () => ['vsr', '-i', at('text.mp4')], /text\.mp4: holds text/],
    [
      'a picture where a clip is needed',
      () => ['vsr', '-i', at('photo.png')],
      /photo\.png: vsr needs a clip, got one picture/,
    ],
    [
      'an input too many',
      () => ['t2v', '-p', 'a', '-i', at('photo.png')],
      /^t2v: takes no input, got 1; leave out .*photo\.png/,
    ],
    [
      'two inputs',
      () => ['i2v', '-i', at('photo.png'), '-i', at('clip')],
      /^i2v: takes one input, got 2; leave out .*clip/,
    ],
    [
      'a mask too many',
      () => ['i2v', '-i', at('photo.png'), '--mask', at('mask.png')],
      /^i2v: takes no mask/,
    ],
    ['no mask', () => ['vinp', '-i', at('clip')], /^vinp: needs a mask that is white/],
    [
      'a mask of another size',
      () => ['vinp', '-i', at('clip'), '--mask', at('mask-small.png')],
      /mask-small\.png: .*\(32x32\), got 16x32/,
    ],
    [
      'a mask of another length',
      () => ['vinp', '-i', at('clip'), '--mask', at('mask-2')],
      /mask-2: .*\(5\), got 2/,
    ],
    [
      'a mask without white',
      () => ['vinp', '-i', at('clip'), '--mask', at('mask-black.png')],
      /mask-black\.png: has no white part/,
    ],
    ['a missing mask', () => ['vinp', '-i', at('clip'), '--mask', at('none.png')], /none\.png: /],
    [
      'a size that does not fit, strictly',
      () => ['t2v', '-p', 'a', '--size', '100x64', '--strict'],
      /^--size: 100x64 is made at 96x64 and brought back \(multiples of 16\); --strict refuses/,
    ],
    [
      '4k + 2 frames, strictly',
      () => ['t2v', '-p', 'a', '--frames', '2', '--strict'],
      /^2 frames: 5 are made and 2 of them kept \(4k \+ 1\); --strict refuses/,
    ],
    [
      'more frames than there are',
      () => ['vsr', '-i', at('clip'), '--frames', '9'],
      /has 5 frames, got 9; 5 is the most/,
    ],
    [
      'frames of a picture',
      () => ['t2i', '-p', 'a', '--frames', '5', '-o', out('a.png')],
      /^t2i: makes an image; leave out --frames/,
    ],
    [
      'an image for a clip',
      () => ['t2v', '-p', 'a', '-o', out('a.png')],
      /a\.png: t2v makes a clip; name a file that ends in \.mp4/,
    ],
    [
      'a clip for an image',
      () => ['t2i', '-p', 'a', '-o', out('a.mp4')],
      /a\.mp4: t2i makes an image/,
    ],
    ['an unknown format', () => ['t2v', '-p', 'a', '-o', out('a.xyz')], /a\.xyz: /],
    [
      'a place for rewriting without asking for it',
      () => ['t2v', '-p', 'a', '--rewrite-url', 'http://localhost'],
      /^--rewrite-url: belongs to --rewrite-prompt/,
    ],
    [
      'noise on no input',
      () => ['t2v', '-p', 'a', '--noise-aug-strength', '0.1'],
      /^t2v: has no input to add noise to; leave out --noise-aug-strength/,
    ],
    [
      'too much noise',
      () => ['i2v', '-i', at('photo.png'), '--noise-aug-strength', '2'],
      /--noise-aug-strength: must be a number from 0 to 1, got "2"/,
    ],
    [
      'depth where none is taken',
      () => ['vcolor', '-i', at('clip'), '--depth', at('near.png')],
      /^vcolor: takes no depth; leave out --depth/,
    ],
    [
      'depth beside a depth model',
      () => ['i2v', '-i', at('photo.png'), '--depth', at('near.png'), '--depth-model', at('none')],
      /^--depth: replaces --depth-model's estimate; give only one of them/,
    ],
    [
      'depth of another length',
      () => ['i2v', '-i', at('photo.png'), '--depth', at('mask-2')],
      /mask-2: must have as many frames as are known: 1 as its input, got 2/,
    ],
    [
      'depth of one gray',
      () => ['i2v', '-i', at('photo.png'), '--depth', at('mask-black.png')],
      /g: is one shade of gray/,
    ],
    [
      'a height without a width',
      () => ['t2i', '-p', 'a', '--height', '32', '-o', out('a.png')],
      /^--height: needs --width too/,
    ],
    [
      'a size said twice',
      () => ['t2i', '-p', 'a', '--size', '32x32', '--width', '32', '-o', out('a.png')],
      /^--width: the size is already given by --size/,
    ],
    [
      'float16',
      () => ['t2v', '-p', 'a', '--mixed-precision', 'fp16'],
      /^--mixed-precision: fp16 is not supported/,
    ],
    [
      'the list of another task',
      () => ['t2v', '--i2v-inputs', at('none.jsonl')],
      /^--i2v-inputs: belongs to i2v, but the task is t2v/,
    ],
    [
      'two places to write to',
      () => ['t2v', '-p', 'a', '--output-dir', out('')],
      /^--output-dir: the place is already given by --output/,
    ],
    [
      'an ending beside a name',
      () => ['t2v', '-p', 'a', '--ext', 'webm'],
      /^--ext: the name .*result\.mp4 already has an extension/,
    ],
    [
      'an ending of another kind',
      () => ['t2v', '-p', 'a', '--ext', 'png', '--samples', '2'],
      /^--ext: t2v makes a clip, which ends in \.mp4, \.webm, \.gif, got "png"/,
    ],
    [
      'several results in a file',
      () => ['t2v', '-p', 'a', '--samples', '2'],
      /result\.mp4: several results go into a folder; name one, such as .*result$/,
    ],
    [
      'no pipeline there',
      () => ['t2v', '-p', 'a', '--pipeline', at('none')],
      /none: is not a pipeline folder/,
    ],
    [
      'a pipeline that was not downloaded',
      () => ['t2v', '-p', 'a', '--pipeline', 'org/never-pulled'],
      /^org\/never-pulled: no such folder, .*`\.\/mfm pull org\/never-pulled` fetches it/,
    ],
    [
      'an unknown option',
      () => ['t2v', '-p', 'a', '--framse', '5'],
      /--framse.*did you mean.*--frames/,
    ],
  ];
  for (const [what, words, message] of cases) {
    test(what, async () => {
      const all = words();
      const output = all.includes('-o') ? [] : ['-o', out('result.mp4')];
      const got = await generate(...all, ...output);
      assert.match(got.message, message);
      assert.equal(got.exitCode, 2, got.message);
      assert.doesNotMatch(got.message, /\n|unexpected/);
      assert.equal(got.stdout, '');
      assert.ok(!readdirSync(root).includes('out'));
    });
  }
});

describe('mfm generate tells what a result costs', () => {
  test('before it makes it, phase by phase', async () => {
    const got = await generate('t2i', '-p', 'a', '--size', '32x32', '-o', out('cost.png'));
    assert.equal(got.exitCode, 0, got.message);
    assert.match(got.stderr, /^t2i 32x32, \w+: \d x 4 tokens, 1 step of [\d.]+ [GM]?FLOP/m);
    for (const phase of ['text', 'condition', 'steps', 'frames']) {
      assert.match(got.stderr, new RegExp(`^  ${phase} .* parameters .* s$`, 'm'));
    }
    assert.match(
      got.stderr,
      /^ {2}[\d.]+ [MG]B of memory at its peak, [\d.]+ [MG]B is available; about/m,
    );
  });

  test('and refuses what memory has no room for, naming what it has', async () => {
    const words = ['t2v', '-p', 'a', '--size', '16384x16384', '--frames', '97', '--window', '97'];
    const got = await generate(...words, '-o', out('large.mp4'));
    assert.equal(got.exitCode, 2);
    assert.match(
      got.message,
      /^16384x16384, 97 frames: needs [\d.]+ [GT]B of memory at its peak, and [\d.]+ [GT]B is available; take .*--size \d+x\d+, or try it with --no-check-memory$/,
    );
    assert.doesNotMatch(got.stderr, /parameters/);
  });

  test('a short cut is compared with the full run where that is asked for', async () => {
    const words = ['t2i', '-p', 'a', '--size', '32x32', '--steps', '4', '-o', out('short.png')];
    const got = await generate(...words, '--cache', '1', '--compare-full');
    assert.equal(got.exitCode, 0, got.message);
    assert.match(got.stderr, /^3 steps were reused \(--cache\)$/m);
    assert.match(got.stderr, /^against the full run: PSNR [\d.]+ dB, in \d+% of its [\d.]+ s$/m);
    const alone = await generate(...words, '--compare-full');
    assert.match(alone.message, /^--compare-full: compares a shortcut with the full run; add/);
    const turned = await generate(...words, '--guidance-from', '0.2', '--guidance-until', '0.5');
    assert.match(turned.message, /^--guidance-from: must be above --guidance-until/);
  });
});

describe('mfm generate fails', () => {
  test('with 1 where there is no ffmpeg for a clip', async () => {
    const { PATH, FFMPEG_PATH } = process.env;
    process.env.PATH = '';
    process.env.FFMPEG_PATH = at('no-ffmpeg');
    try {
      const got = await generate('t2v', '-p', 'a', '-o', out('a.mp4'));
      assert.match(got.message, /^FFMPEG_PATH: must name the ffmpeg program/);
      assert.equal(got.exitCode, 2);
      assert.ok(!readdirSync(root).includes('out'));
    } finally {
      process.env.PATH = PATH;
      if (FFMPEG_PATH === undefined) delete process.env.FFMPEG_PATH;
      else process.env.FFMPEG_PATH = FFMPEG_PATH;
    }
  });

  test('when the output cannot be written, and leaves no half of it', async () => {
    const below = join(at('photo.png'), 'a.png');
    const got = await generate('t2i', '-p', 'a', '-o', below);
    assert.match(got.message, /a\.png: cannot be written, part of its path is a file/);
    assert.equal(got.exitCode, 2);
  });
});
