import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { MaskInput, MediaInput } from '../../src/index.js';
import { readImage, readMedia, writeImage, writeVideo } from '../../src/media/index.js';
import { noisy } from '../cli/commands/generate/generating.js';
import { noFfmpeg } from '../media/helpers.js';
import { openWorkplace } from './workplace.js';

const { at, mfm } = openWorkplace('inputs');
/** Temporary files of inputs, as long as they are there. */
const temporary = () => readdirSync(tmpdir()).filter((name) => name.startsWith('mfm-input-'));

/** A picture or clip in all forms that are taken. */
async function formsOf(path: string): Promise<Record<string, MediaInput>> {
  const bytes = readFileSync(path);
  const { width, height, numFrames, data, fps } = await readMedia(path);
  return {
    url: pathToFileURL(path),
    buffer: bytes,
    bytes: new Uint8Array(bytes),
    blob: new Blob([bytes]),
    raw: { width, height, numFrames, data, fps: fps ?? undefined },
    clamped: { width, height, numFrames, data: new Uint8ClampedArray(data), fps: fps ?? undefined },
  };
}

describe('inputs', () => {
  test('a picture and its mask give the same in every form', async () => {
    const before = temporary();
    const filled = async (input: MediaInput, mask: MaskInput) =>
      (await mfm().generate('iinp', { input, mask, seed: 3, prompt: 'a' }).toFrames()).data;
    const wanted = await filled(at('photo.png'), at('mask.png'));
    const [photos, masks] = await Promise.all(['photo.png', 'mask.png'].map((f) => formsOf(at(f))));
    for (const [name, photo] of Object.entries(photos!)) {
      assert.deepEqual(await filled(photo, masks![name]!), wanted, name);
    }
    const box = { box: { x: 8, y: 0, width: 16, height: 32 } };
    assert.deepEqual(await filled(photos!.raw!, box), wanted, 'the mask as a box');
    assert.deepEqual(temporary(), before, 'no temporary file is left');
  });

  test('a mixture gives the same in every form, and its settings say what it was', async () => {
    const before = temporary();
    const made = async (media: MediaInput, mask: MediaInput) => {
      const known = [{ media, at: [0, 2], mask, keep: 0.9 }] as const;
      const depth = [{ media, at: -1 }];
      return mfm().generate('any', { known, depth, seed: 3, numFrames: 5 });
    };
    const gray = (await readImage(at('mask.png'))).data.map((v, i) => (v + (i % 96)) / 2);
    const media = { width: 32, height: 32, data: gray.map((_, i) => gray[i - (i % 3)]!) };
    await writeImage(at('near.png'), { ...media, numFrames: 1 });
    const wanted = await made(at('near.png'), at('mask.png'));
    const frames = (await wanted.toFrames()).data;
    const forms = await formsOf(at('near.png'));
    const masks = await formsOf(at('mask.png'));
    for (const [name, form] of Object.entries(forms)) {
      const { data } = await (await made(form, masks[name]!)).toFrames();
      assert.deepEqual(data, frames, name);
    }
    assert.deepEqual(temporary(), before, 'no temporary file is left');
    const { known, depth } = await wanted.settings();
    assert.deepEqual(JSON.parse(JSON.stringify(known)), [
      { media: at('near.png'), at: [0, 2], mask: at('mask.png'), keep: 0.9 },
    ]);
    assert.deepEqual(depth, [{ media: at('near.png'), at: -1 }]);
    assert.match(JSON.stringify(await (await made(forms.raw!, masks.raw!)).settings()), /sha256:/);
  });

  test('a mixture names the field that is wrong', () => {
    const media = 'a.png';
    const wrong: [options: object, message: RegExp][] = [
      [{ known: [{ media }] }, /^any: `known\.0\.at`: must be a frame, such as 0 or -1, or/],
      [{ known: [{ media, at: 0.5 }] }, /^any: `known\.0\.at`: must be a frame/],
      [{ known: [{ media, at: 0, keep: 2 }] }, /^any: `known\.0\.keep`: /],
      [{ known: [{ media, at: 0, grey: true }] }, /^any: `known\.0`: .*"grey"/],
      [{ depth: [{ media }] }, /^any: `depth\.0`: must be media, or \{ media, at \} with a frame/],
    ];
    for (const [options, message] of wrong) {
      assert.throws(() => mfm().generate('any' as string, options), { message });
    }
  });

  test('a clip gives the same in every form', { skip: noFfmpeg }, async () => {
    await writeVideo(at('clip.mp4'), noisy(32, 32, 9), { fps: 8 });
    const coloured = async (input: MediaInput) =>
      mfm()
        .generate('vcolor', { inputs: [input], seed: 3, window: 5 })
        .toFrames();
    const wanted = await coloured(at('clip.mp4'));
    assert.deepEqual([wanted.numFrames, wanted.fps], [9, 8]);
    for (const [name, form] of Object.entries(await formsOf(at('clip.mp4')))) {
      assert.deepEqual(await coloured(form), wanted, name);
    }
  });

  test('two pictures, a reference picture and a mask by colour', async () => {
    const photo = await formsOf(at('photo.png'));
    const between = (one: MediaInput, two: MediaInput) =>
      mfm()
        .generate('itrans', { inputs: [one, two], seed: 1 })
        .toFrames();
    assert.deepEqual(
      await between(photo.raw!, photo.blob!),
      await between(at('photo.png'), at('photo.png')),
    );
    const coloured = (reference: MediaInput) =>
      mfm()
        .generate('icolor', { input: at('photo.png'), reference, seed: 1 })
        .toFrames();
    assert.deepEqual(await coloured(photo.raw!), await coloured(at('photo.png')));
    const { data } = await readImage(at('photo.png'));
    const colour: [number, number, number] = [data[0]!, data[1]!, data[2]!];
    const filled = (mask: MaskInput) =>
      mfm().generate('iinp', { input: photo.raw!, mask, seed: 1 }).toFrames();
    assert.deepEqual(await filled({ colour }), await filled({ colour, tolerance: 40 }));
  });

  test('are named by their option where they cannot be read, and leave nothing', async () => {
    const before = temporary();
    const cases: [MediaInput, string, RegExp][] = [
      [readFileSync(at('photo.png')).subarray(0, 90), 'input', /^input: cannot be decoded/],
      [Buffer.from('text'), 'input', /^input: holds text/],
      [new Blob([]), 'input', /^input: the file is empty/],
      [{ width: 4, height: 4, data: new Uint8Array(5) }, 'input', /^input: data must be \[F, H, W/],
      [{ width: 4 } as never, 'input', /^input: must be a path, the bytes of a file/],
      ['none.png', 'input', /^none\.png: no such file/],
    ];
    for (const [input, field, message] of cases) {
      const generation = mfm().generate('iinp', { input, mask: at('mask.png') });
      await assert.rejects(generation.toFrames(), { field, message });
    }
    const mask = mfm().generate('iinp', { input: at('photo.png'), mask: Buffer.from('text') });
    await assert.rejects(mask.toFrames(), { field: 'mask', message: /^mask: holds text/ });
    const still = { width: 32, height: 32, data: noisy(32, 32).data };
    const picture = mfm().generate('vcolor', { input: still });
    await assert.rejects(picture.toFrames(), /^InputError: input: vcolor needs a clip, got one/);
    assert.deepEqual(temporary(), before);
  });

  test('are known in the settings by what they hold', async () => {
    const photo = await formsOf(at('photo.png'));
    const settings = (input: MediaInput) => mfm().generate('isr', { input, seed: 1 }).settings();
    const [buffer, blob, raw] = await Promise.all(
      [photo.buffer!, photo.blob!, photo.raw!].map(settings),
    );
    assert.match(JSON.stringify(buffer!.inputs), /^\["sha256:[0-9a-f]{64}"\]$/);
    assert.deepEqual(buffer, blob);
    assert.notDeepEqual(buffer, raw);
    assert.deepEqual((await settings(at('photo.png'))).inputs, [at('photo.png')]);
  });
});
