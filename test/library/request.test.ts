import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type GenerateOptions,
  type Generation,
  type Mfm,
  TASKS,
  type Task,
} from '../../src/index.js';

/**
 * Read by the type check alone: a line that should not compile and does is an error there. `mfm` is
 * never there when it runs.
 */
function requests(mfm: Mfm): (() => Generation)[] {
  const name = process.argv[2] as string;
  const own: Task = TASKS.t2i;
  return [
    // what a task cannot do without
    () => mfm.generate('t2i', { prompt: 'a red cube' }),
    // @ts-expect-error a prompt
    () => mfm.generate('t2i', {}),
    () => mfm.generate('i2v', { input: 'photo.jpg' }),
    () => mfm.generate('i2v', { inputs: ['photo.jpg'], numFrames: 9 }),
    // @ts-expect-error an input
    () => mfm.generate('i2v', { prompt: 'the camera pans right' }),
    () => mfm.generate('vtrans', { inputs: ['one.mp4', 'two.mp4'] }),
    // @ts-expect-error two inputs
    () => mfm.generate('vtrans', { inputs: ['one.mp4'] }),
    // @ts-expect-error one input is not two
    () => mfm.generate('itrans', { input: 'one.png' }),
    () => mfm.generate('vinp', { input: 'clip.mp4', mask: 'hole.png' }),
    () => mfm.generate('iinp', { input: new Blob([]), mask: { alpha: true } }),
    // @ts-expect-error a mask
    () => mfm.generate('vinp', { input: 'clip.mp4' }),
    // @ts-expect-error a mask
    () => mfm.generate('iinp', { input: 'photo.png' }),
    () => mfm.generate('ioutp', { input: 'photo.png', expand: '0.25' }),
    () => mfm.generate('voutp', { input: 'clip.mp4', mask: 'margins.png' }),
    // @ts-expect-error a mask, or how far to grow
    () => mfm.generate('ioutp', { input: 'photo.png' }),
    () => mfm.generate('iedit', { input: 'photo.png', prompt: 'turn the red cube blue' }),
    // @ts-expect-error what to change
    () => mfm.generate('iedit', { input: 'photo.png' }),
    () => mfm.generate('d2v', { input: 'depth.mp4' }),
    () => mfm.generate('d2v', { inputs: ['depth.mp4', 'first.png'] }),
    () => mfm.generate('d2v', { depthFrom: 'clip.mp4', input: 'first.png' }),
    () => mfm.generate('d2v', { input: 'depth.mp4', depthIs: 'far' }),
    // @ts-expect-error depth, or a clip that has it
    () => mfm.generate('d2v', { prompt: 'a red cube' }),
    // @ts-expect-error the clip itself is its input
    () => mfm.generate('mtrans', { input: 'clip.mp4', depthFrom: 'clip.mp4' }),

    () => mfm.generate('any', { known: [{ media: 'a.png', at: 0 }] }),
    () =>
      mfm.generate('any', {
        prompt: 'a red cube',
        known: [
          { media: 'a.png', at: 0, mask: 'hole.png', invert: true, keep: 0.7 },
          { media: new Blob([]), at: [24, 40], gray: true, depth: 'b-depth.mp4' },
        ],
        depth: { media: 'depth.mp4', at: [0, 80] },
        numFrames: 81,
      }),
    () => mfm.generate('any', { depth: ['near.png', { media: 'far.png', at: -1 }] }),
    // @ts-expect-error something that is known
    () => mfm.generate('any', { prompt: 'a red cube' }),
    // @ts-expect-error a place
    () => mfm.generate('any', { known: [{ media: 'a.png' }] }),
    // @ts-expect-error parts, not inputs
    () => mfm.generate('any', { input: 'a.png', known: [{ media: 'a.png', at: 0 }] }),
    // @ts-expect-error parts are for mixtures
    () => mfm.generate('i2v', { input: 'a.png', known: [{ media: 'a.png', at: 0 }] }),
    // @ts-expect-error depth without a place
    () => mfm.generate('i2v', { input: 'a.png', depth: { media: 'a-depth.png', at: 0 } }),

    // what a task has no use for
    // @ts-expect-error no input
    () => mfm.generate('t2v', { prompt: 'a red cube', input: 'photo.png' }),
    // @ts-expect-error no mask
    () => mfm.generate('i2v', { input: 'photo.png', mask: 'hole.png' }),
    // @ts-expect-error a picture has no length
    () => mfm.generate('t2i', { prompt: 'a red cube', numFrames: 5 }),
    // @ts-expect-error nothing is enlarged
    () => mfm.generate('vcolor', { input: 'clip.mp4', upscale: 2 }),
    () => mfm.generate('vsr', { input: 'clip.mp4', upscale: 2, tile: null }),
    () => mfm.generate('vcolor', { input: 'clip.mp4', reference: 'palette.png' }),
    // @ts-expect-error no palette
    () => mfm.generate('vsr', { input: 'clip.mp4', reference: 'palette.png' }),
    // @ts-expect-error misspelt
    () => mfm.generate('t2i', { prompt: 'a red cube', guidance: 4 }),
    // @ts-expect-error of another kind
    () => mfm.generate('t2i', { prompt: 'a red cube', solver: 'heun' }),

    // tasks that are known at run time take any option that there is
    () => mfm.generate(name, { prompt: 'a red cube', mask: 'hole.png' }),
    () => mfm.generate(own, { prompt: 'a red cube', input: 'photo.png' }),
    () => mfm.generate('defined-elsewhere', { inputs: ['a.png', 'b.png', 'c.png'] }),
    // @ts-expect-error but no other
    () => mfm.generate(name, { promt: 'a red cube' }),
    // by its declaration a task has its own options
    () => mfm.generate(TASKS.vinp, { input: 'clip.mp4', mask: 'hole.png' }),
    // @ts-expect-error a mask
    () => mfm.generate(TASKS.vinp, { input: 'clip.mp4' }),
    () => mfm.generate('t2i', { ...({ prompt: 'a' } satisfies GenerateOptions), seed: 2n ** 63n }),
  ];
}

describe('the options of a task', () => {
  test('are checked by the compiler', () => {
    assert.equal(typeof requests, 'function');
  });
});
