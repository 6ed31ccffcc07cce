import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { before, beforeEach, describe, test } from 'node:test';
import { writeImage } from '../../../../src/media/index.js';
import { TASK_IDS, TASKS, type Task, type TaskId } from '../../../../src/tasks/index.js';
import { noFfmpeg } from '../../../media/helpers.js';
import { columns, noisy, plain, slope, workplace, writeFolder } from './generating.js';

const { at, generate } = workplace('refuses');
const out = (name: string) => at(`out/${name}`);

before(async () => {
  await writeImage(at('photo.png'), noisy(48, 32));
  await writeFolder(at('clip'), noisy(48, 32, 5));
  await writeFolder(at('depth'), slope(48, 32, 5));
  await writeFolder(at('depth-3'), slope(48, 32, 3));
  await writeFolder(at('one'), noisy(48, 32, 1));
  await writeFolder(at('coloured'), plain(48, 32, new Array(5).fill([250, 20, 20])));
  await writeImage(at('mask.png'), columns(48, 32, [0, 20]));
  await writeImage(at('small.png'), columns(32, 32, [0, 20]));
  await writeImage(at('black.png'), columns(48, 32, [0, 0]));
  await writeImage(at('white.png'), columns(48, 32, [0, 48]));
  await writeImage(at('soft.png'), slope(48, 32));
  await writeFolder(at('mask-3'), columns(48, 32, [0, 20], 3));
  writeFileSync(at('text.png'), 'this is no picture, it is text\n');
  writeFileSync(at('text.mp4'), 'this is no clip, it is text\n');
  writeFileSync(at('empty.mp4'), '');
  const whole = readFileSync(at('photo.png'));
  writeFileSync(at('cut.png'), whole.subarray(0, whole.length / 2));
});
beforeEach(() => rmSync(at('out'), { recursive: true, force: true }));

/** What a task needs at least, and nothing wrong. */
function wordsOf(id: TaskId): { inputs: string[]; others: string[] } {
  const { inputs, mask }: Task = TASKS[id];
  const files = { image: at('photo.png'), video: at('clip'), depth: at('depth') };
  const others = ['-p', 'red'];
  if (mask === 'hole') others.push('--box', '0,0,20,20');
  if (mask === 'margins') others.push('--expand', '0.25');
  if (id === 'mtrans') others.push('--depth', at('depth'));
  if (id === 'vexd' || id === 'vtrans') others.push('--frames', '17');
  return { inputs: inputs.map((kind) => files[kind]), others };
}

const asInputs = (files: string[]) => files.flatMap((file) => ['-i', file]);

/** Refused with 2 and one sentence that begins with a name and has a remedy; nothing is written. */
async function refuses(words: string[], message: RegExp): Promise<void> {
  const still = TASKS[words[0] as TaskId]?.result === 'image';
  const got = await generate(...words, '-o', out(still ? 'a.png' : 'a.mp4'));
  const about = `${words.join(' ')}: ${got.message}`;
  assert.equal(got.exitCode, 2, about);
  assert.match(got.message, message, about);
  assert.match(got.message, /^[^:]+: .+/, about);
  assert.doesNotMatch(got.message, /\n|unexpected| at .*\.ts:|\.$/, about);
  assert.equal(got.stdout, '');
  assert.equal(existsSync(at('out')) ? readdirSync(at('out')).length : 0, 0, about);
  // nothing was begun: no cost was told
  assert.doesNotMatch(got.stderr, /FLOP/, about);
}

describe('every task refuses, with one sentence, exit code 2 and nothing written', {
  skip: noFfmpeg,
}, () => {
  // what a mixture refuses is in generate-any.test.ts
  for (const id of TASK_IDS.filter((id) => !TASKS[id].placed)) {
    const task: Task = TASKS[id];
    const run = (inputs: string[], ...more: string[]) => [
      ...[id, ...asInputs(inputs)],
      ...[...wordsOf(id).others, ...more],
    ];

    test(`${id}: inputs missing or too many`, async () => {
      const { inputs } = wordsOf(id);
      const most = inputs.length + task.optionalInputs.length;
      if (inputs.length > 0) {
        await refuses(
          run(inputs.slice(1)),
          new RegExp(`^${id}: needs .*; give (one|them) with -i`),
        );
        await refuses(run([at('none.png'), ...inputs.slice(1)]), /none\.png: /);
      } else {
        await refuses([id], new RegExp(`^${id}: needs a prompt; give one with -p`));
      }
      const many = [...inputs, ...new Array(most - inputs.length + 1).fill(at('photo.png'))];
      await refuses(
        run(many),
        new RegExp(`^${id}: takes .*, got ${most + 1}; leave out .*photo\\.png`),
      );
    });

    test(`${id}: inputs of another kind, and files that are none`, async () => {
      for (const [i, kind] of task.inputs.entries()) {
        const put = (file: string) => run(wordsOf(id).inputs.with(i, at(file)));
        await refuses(put('text.png'), /text\.png: holds text, not a picture/);
        await refuses(put('empty.mp4'), /empty\.mp4: the file is empty/);
        await refuses(put('cut.png'), /cut\.png: cannot be decoded/);
        if (kind === 'image') await refuses(put('clip'), /clip: must be a picture, got a folder/);
        if (kind === 'video') {
          await refuses(put('photo.png'), /photo\.png: \w+ needs a clip, got one picture; give a/);
          await refuses(put('one'), /one: \w+ needs a clip, got one picture; give a video/);
        }
        if (kind === 'depth')
          await refuses(put('coloured'), /coloured.*: is in colour; a depth map is gray/);
      }
    });

    test(`${id}: masks and margins`, async () => {
      const { inputs } = wordsOf(id);
      const bare = [id, ...asInputs(inputs), '-p', 'red'];
      if (task.mask === 'none') {
        const leave = new RegExp(`^${id}: takes no mask; leave out --mask, or use .inp`);
        for (const mask of [['--mask', at('mask.png')], ['--box', '0,0,9,9'], ['--mask-alpha']]) {
          await refuses(run(inputs, ...mask), leave);
        }
        const beyond = new RegExp(`^${id}: does not go beyond its input; leave out --expand`);
        await refuses(run(inputs, '--expand', '0.25'), beyond);
        await refuses(run(inputs, '--invert-mask'), /^--invert-mask: there is no mask to invert/);
        return;
      }
      await refuses(bare, new RegExp(`^${id}: needs (a mask that is white|to know how far)`));
      if (task.mask === 'hole') {
        await refuses([...bare, '--expand', '8'], new RegExp(`^${id}: fills a hole within`));
      }
      const masks: [string[], RegExp][] = [
        [['--mask', at('small.png')], /small\.png: a mask must have the size .*48x32\), got 32x32/],
        [['--mask', at('mask-3')], /mask-3: a mask must have one frame .*got 3; cut it/],
        [
          ['--mask', at('black.png')],
          /black\.png: has no white part \(its lightest value is 0 of 255\).* paint the part .* white$/,
        ],
        [
          ['--mask', at('white.png'), '--invert-mask'],
          /white\.png: is all white, .*leave out --inv/,
        ],
        [['--mask', at('none.png')], /none\.png: /],
        [['--mask', at('text.png')], /text\.png: holds text/],
        [['--mask', at('mask.png'), '--box', '0,0,9,9'], /^--box: .* as --mask does; leave one/],
        [['--box', '0,0,0,9'], /^box 0,0,0,9: must be at least one pixel/],
        [['--box', '60,0,9,9'], /^box 60,0,9,9: lies outside .*clip|photo\.png/],
        [['--box', '40,0,20,9'], /^box 40,0,20,9: must lie within/],
        [['--box', 'middle'], /^--box: must be x,y,width,height .*got "middle"/],
        [['--mask-colour', 'mauve'], /^--mask-colour: must be #rrggbb/],
        [['--mask-colour', '#123456', '--mask-tolerance', '0'], /^colour 18,52,86: no pixel of/],
        [['--mask-tolerance', '3'], /^--mask-tolerance: belongs to --mask-colour/],
        [['--mask-alpha'], /has no transparent part/],
        // the upper left corner is not in the middle
        [
          ['--box', '0,0,4,4', '--size', '16x32'],
          /^box 0,0,4,4: the whole part to generate is cut/,
        ],
      ];
      for (const [words, message] of masks) await refuses([...bare, ...words], message);
      if (task.mask === 'hole') return;
      for (const [text, message] of [
        ['0', /^--expand: must add at least one pixel/],
        ['-1', /^--expand: all: must be whole pixels/],
        ['wide', /^--expand: all: must be whole pixels/],
        ['up=3', /^--expand: must name a side/],
        ['9.5', /^--expand: all: as a share must be at most 4/],
        ['1000000', /: the result would be 2000048x2000032, and 16384 is the longest side/],
      ] as const) {
        await refuses([...bare, `--expand=${text}`], message);
      }
      await refuses(
        [...bare, '--expand', '8', '--box', '0,0,9,9'],
        /^--expand: already says which part/,
      );
    });

    test(`${id}: sizes, lengths and options of other tasks`, async () => {
      const { inputs } = wordsOf(id);
      const cases: [string[], RegExp][] = [
        [['--size', '0x32'], /--size: must be WIDTHxHEIGHT/],
        [['--size', '99999x32'], /^--size: the result would be 99999x32, and 16384 is/],
      ];
      if (task.keeps !== 'brightness') {
        cases.push([['--reference', at('photo.png')], /takes no reference picture; leave out/]);
      } else {
        cases.push([['--reference', at('none.png')], /none\.png: /]);
      }
      if (task.size !== 'larger') {
        cases.push([
          ['--upscale', '2'],
          /does not enlarge its input; leave out --upscale, or use isr/,
        ]);
        cases.push([['--tile', '32x32'], /does not work in tiles; leave out --tile, or use isr/]);
      } else {
        cases.push([['--tile', '20x32'], /--tile: width and height must be multiples of 16/]);
        cases.push([['--upscale', '0.5'], /--upscale: must be a number of at least 1/]);
        cases.push([['--upscale', '1000'], /would be 48000x32000, and 16384 is the longest side/]);
      }
      if (task.result === 'image') {
        cases.push([['--frames', '5'], /makes an image; leave out --frames/]);
        cases.push([['--window', '5'], /makes an image; leave out --window/]);
        cases.push([['--fps', '9'], /makes an image; leave out --fps/]);
      } else {
        cases.push([['--window', '6'], /^--window: must be 4k \+ 1 .*; 5 and 9 are nearest/]);
        if (task.followsInput) {
          cases.push([['--frames', '9'], /^--frames: .* has 5 frames, got 9; 5 is the most/]);
        }
      }
      if (id === 't2i' || id === 't2v') {
        cases.push([['--fit', 'pad'], /takes no input; leave out --fit$/]);
        cases.push([['--no-keep-known'], /takes no input; leave out --keep-known$/]);
      }
      for (const [more, message] of cases) await refuses(run(inputs, ...more), message);
    });
  }
});

describe('depth', { skip: noFfmpeg }, () => {
  const clip = ['-i', at('clip'), '-p', 'a'];

  test('motion transfer without depth names both remedies before anything long runs', async () => {
    await refuses(
      ['mtrans', ...clip],
      /^mtrans: needs the depth of .*clip, and there is no depth model; fetch one with `\.\/mfm pull depth-anything\/\S+` and name it with --depth-model depth-anything\/\S+, or give it with --depth FILE$/,
    );
  });

  test('of another length than its clip', async () => {
    const message = /depth-3: must have as many frames as .*clip \(5\), got 3; give depth of every/;
    await refuses(['mtrans', ...clip, '--depth', at('depth-3')], message);
    await refuses(['mtrans', ...clip, '--depth', at('depth'), '--depth', at('depth')], /^mtrans: /);
  });

  test('where the pipeline has no place for it, or the task', async () => {
    const bars = ['d2v', '-i', at('depth'), '-p', 'a', '--size', '32x32', '--fit', 'pad'];
    await refuses(bars, /depth: --fit pad adds bars that have no depth; use crop or stretch/);
    await refuses(
      ['vsr', ...clip, '--depth', at('depth')],
      /^vsr: takes no depth; leave out --depth/,
    );
    const own = ['d2v', '-i', at('depth'), '-p', 'a', '--depth', at('depth')];
    await refuses(own, /^d2v: takes depth as its input already; leave out --depth/);
  });

  test('of another shape than its clip', async () => {
    await writeFolder(at('depth-square'), slope(32, 32, 5));
    const message = /depth-square: must have the shape of .*clip \(48x32\), got 32x32; crop it to/;
    await refuses(['mtrans', ...clip, '--depth', at('depth-square')], message);
  });

  test('to be estimated where that cannot be', async () => {
    const from = ['--depth-from', at('clip'), '-p', 'a'];
    await refuses(
      ['d2v', ...from],
      /^d2v: needs the depth of .*clip, and there is no depth model; .*, or give it with -i FILE$/,
    );
    await refuses(
      ['t2v', ...from],
      /^--depth-from: t2v takes no depth as its input; leave it out$/,
    );
    await refuses(
      ['mtrans', ...from, '-i', at('clip')],
      /^--depth-from: mtrans takes no depth as its input; give the clip with -i FILE$/,
    );
    await refuses(
      ['d2v', ...from, '--depth', at('depth')],
      /^--depth-from: estimates the depth that --depth gives; leave one of them out$/,
    );
    await refuses(
      ['d2v', '-p', 'a'],
      /^d2v: needs a depth clip; .*, or .* with --depth-from FILE$/,
    );
    const photo = ['mtrans', '-i', at('photo.png'), '-p', 'a', '--depth', at('depth')];
    await refuses(photo, /mtrans needs a clip, got one picture; .* or use d2v, .* --depth-from$/);
    await refuses(
      ['d2v', '-i', at('coloured'), '-p', 'a'],
      /coloured.*: is in colour; a depth map is gray, so .*, or have depth estimated .* --depth-from$/,
    );
  });

  test('of a meaning, without a depth file', async () => {
    const message = /^--depth-is: there is no depth file; give one with --depth, or leave it out$/;
    await refuses(['i2v', '-i', at('photo.png'), '--depth-is', 'far'], message);
    await refuses(['d2v', '--depth-from', at('clip'), '-p', 'a', '--depth-is', 'far'], message);
  });
});

describe('masks that are allowed', () => {
  const fill = async (...words: string[]) => {
    const got = await generate('iinp', '-i', at('photo.png'), ...words, '-o', out('a.png'));
    assert.equal(got.exitCode, 0, got.message);
    return got.stderr;
  };

  test('are told of where they are all white or soft', async () => {
    assert.match(
      await fill('--mask', at('white.png')),
      /white\.png: is all white: the whole picture is/,
    );
    assert.match(await fill('--mask', at('soft.png')), /soft\.png: \d+% of it is gray; above half/);
    assert.doesNotMatch(await fill('--mask', at('mask.png')), /mask\.png/);
  });
});
