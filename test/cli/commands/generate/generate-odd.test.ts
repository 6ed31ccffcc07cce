import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { writeImage } from '../../../../src/media/index.js';
import { ffmpeg, noFfmpeg } from '../../../media/helpers.js';
import { noisy, slope, workplace } from './generating.js';

const { at, generate, made } = workplace('odd');

const TEST_CLIP = ['-f', 'lavfi', '-i', 'testsrc=s=48x32:r=8:d=1.125'];

before(async () => {
  const photo = noisy(48, 32);
  const raw = { width: 48, height: 32, channels: 3 as const };
  const picture = () => sharp(photo.data, { raw });
  await picture().jpeg().withMetadata({ orientation: 6 }).toFile(at('turned.jpg'));
  await picture().toColourspace('cmyk').jpeg().toFile(at('cmyk.jpg'));
  await picture().toColourspace('b-w').jpeg().toFile(at('gray.jpg'));
  await picture().toColourspace('rgb16').png().toFile(at('deep.png'));
  await picture().png({ palette: true, colours: 8 }).toFile(at('palette.png'));
  await writeImage(at('pixel.png'), noisy(1, 1));
  await writeImage(at('tall.png'), slope(2, 400));
  await writeImage(at('wide.png'), slope(400, 2));
  writeFileSync(at('named.jpg'), await picture().png().toBuffer());
  writeFileSync(at('cut.jpg'), (await picture().jpeg().toBuffer()).subarray(0, 500));
  const pages = { raw: { width: 48, height: 32 * 3, channels: 3 as const, pageHeight: 32 } };
  const loop = sharp(noisy(48, 32 * 3).data, pages);
  await loop
    .clone()
    .gif({ delay: [100, 100, 100] })
    .toFile(at('loop.gif'));
  await loop
    .clone()
    .webp({ delay: [100, 100, 100] })
    .toFile(at('loop.webp'));
  if (noFfmpeg) return;
  ffmpeg(...TEST_CLIP, '-pix_fmt', 'yuv420p', at('clip.mp4'));
  ffmpeg(...TEST_CLIP, '-frames:v', '1', at('single.mp4'));
  ffmpeg('-f', 'lavfi', '-i', 'testsrc=s=51x33:r=8:d=1', '-c:v', 'mpeg4', at('odd.mp4'));
  ffmpeg(...TEST_CLIP, '-vf', 'setsar=2', '-pix_fmt', 'yuv420p', at('oblong.mp4'));
  ffmpeg('-f', 'lavfi', '-i', 'sine=d=1', at('sound.mp4'));
  ffmpeg('-f', 'lavfi', '-i', 'testsrc=s=48x32:r=90000', '-frames:v', '2', at('fast.mp4'));
  const whole = readFileSync(at('clip.mp4'));
  writeFileSync(at('headless.mp4'), whole.subarray(0, whole.indexOf('moov') - 4));
});

describe('odd pictures', () => {
  const cases: [string, width: number, height: number][] = [
    ['turned.jpg', 32, 48],
    ['cmyk.jpg', 48, 32],
    ['gray.jpg', 48, 32],
    ['deep.png', 48, 32],
    ['palette.png', 48, 32],
    ['named.jpg', 48, 32],
    ['pixel.png', 1, 1],
    ['tall.png', 2, 400],
    ['wide.png', 400, 2],
  ];
  for (const [name, width, height] of cases) {
    test(`${name} keeps its size`, async () => {
      const input = ['-i', at(name)];
      const enlarged = ['isr', ...input, '--upscale', '1', '--no-tiles'];
      const filled = ['iinp', ...input, '--box', '0%,0%,100%,50%'];
      // what is odd about the others is gone once they are read
      const oddShape = width === 1 || width === 2 || height === 2;
      for (const words of [['icolor', ...input], ...(oddShape ? [enlarged, filled] : [])]) {
        const got = await made('odd.png', ...words);
        assert.deepEqual([got.width, got.height], [width, height], words[0]);
      }
    });
  }

  test('one that is cut off is refused', async () => {
    const got = await generate('icolor', '-i', at('cut.jpg'), '-o', at('cut.png'));
    assert.match(got.message, /^\S+cut\.jpg: cannot be decoded as a picture/);
    assert.equal(got.exitCode, 2);
    assert.ok(!existsSync(at('cut.png')));
  });
});

describe('odd clips', { skip: noFfmpeg }, () => {
  const cases: [string, size: string, numFrames: number][] = [
    ['loop.gif', '48x32', 3],
    ['loop.webp', '48x32', 3],
    ['odd.mp4', '51x33', 8],
    ['oblong.mp4', '96x32', 9],
  ];
  for (const [name, size, numFrames] of cases) {
    test(`${name} keeps its size and its frames`, async () => {
      const words = ['vcolor', '-i', at(name), '--window', '9'];
      const got = await made('odd-out.mp4', ...words);
      assert.deepEqual([`${got.width}x${got.height}`, got.numFrames], [size, numFrames]);
    });
  }

  test('one of an odd size says what plays it, and which size plays everywhere', async () => {
    const got = await made('odd-out.mp4', 'vcolor', '-i', at('odd.mp4'), '--window', '9');
    assert.match(got.stderr, /odd-out\.mp4: 51x33 is an odd size.*--size 52x34 plays everywhere/);
    const even = await made('even.mp4', 'vcolor', '-i', at('odd.mp4'), '--size', '52x34');
    assert.doesNotMatch(even.stderr, /plays everywhere/);
  });

  test('one with more frames a second than a file can have is refused before the work', async () => {
    const words = ['vinp', '-i', at('fast.mp4'), '--box', '10%,10%,30%,30%'];
    const got = await generate(...words, '-o', at('fast-out.mp4'));
    assert.match(got.message, /^\S+fast\.mp4: .*90000.*--fps/);
    assert.equal(got.exitCode, 2);
    assert.ok(!existsSync(at('fast-out.mp4')));
    const slower = await made('slow.mp4', ...words, '--fps', '10');
    assert.equal(slower.numFrames, 2);
  });

  test('one in AV1 is read', async (context) => {
    try {
      ffmpeg(...TEST_CLIP, '-c:v', 'libaom-av1', '-cpu-used', '8', at('av1.mp4'));
    } catch {
      return context.skip('this ffmpeg cannot write AV1');
    }
    const got = await made('av1-out.mp4', 'vcolor', '-i', at('av1.mp4'), '--window', '9');
    assert.deepEqual([got.width, got.height, got.numFrames], [48, 32, 9]);
    return undefined;
  });

  test('one that is no clip, or has lost its head, is refused', async () => {
    for (const [name, message, ...more] of [
      ['single.mp4', /single\.mp4: vsr needs a clip, got one frame; give a longer video$/],
      ['single.mp4', /vsr needs a clip, got one frame; give a longer video$/, '--compat=reference'],
      ['sound.mp4', /sound\.mp4: holds only sound; give a file with moving pictures/],
      ['headless.mp4', /headless\.mp4: has no index \(moov box\)/],
    ] as const) {
      const got = await generate('vsr', '-i', at(name), '-o', at('none.mp4'), ...more);
      assert.match(got.message, message);
      assert.equal(got.exitCode, 2);
      assert.ok(!existsSync(at('none.mp4')));
    }
  });

  test('a clip for a picture gives its first frame, and says so', async () => {
    const got = await made('first.png', 'icolor', '-i', at('clip.mp4'));
    assert.match(got.stderr, /clip\.mp4: a clip, its first frame is used/);
  });
});
