import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { args, run } from '../../src/cli/commands/generate/generate.js';
import { parseArgs } from '../../src/cli/terminal/args.js';
import {
  type GeneratedFrame,
  InputError,
  type PreviewEvent,
  type ProgressEvent,
  TASKS,
} from '../../src/index.js';
import { readMedia } from '../../src/media/index.js';
import { quietly } from '../cli/quietly.js';
import { noFfmpeg } from '../media/helpers.js';
import { openWorkplace } from './workplace.js';

const { at, mfm } = openWorkplace('generation');
const clipOf = (changes: object = {}) => ({
  prompt: 'a red cube',
  seed: 7,
  numFrames: 12,
  ...changes,
});

async function all(frames: AsyncIterable<GeneratedFrame>): Promise<GeneratedFrame[]> {
  const found: GeneratedFrame[] = [];
  for await (const frame of frames) found.push(frame);
  return found;
}

const joined = (frames: readonly GeneratedFrame[]) => Buffer.concat(frames.map(({ data }) => data));

describe('Generation', () => {
  test('hands out the frames of a window before the last one is made', async () => {
    const events: ProgressEvent[] = [];
    const clip = mfm().generate(
      't2v',
      clipOf({ onProgress: (e: ProgressEvent) => events.push(e) }),
    );
    assert.equal(events.length, 0, 'nothing is made before it is asked for');
    const windowAt: number[] = [];
    for await (const { index, width, height, data } of clip.frames) {
      assert.deepEqual([width, height, data.length], [32, 32, 32 * 32 * 3]);
      assert.equal(index, windowAt.length);
      windowAt.push(events.at(-1)!.window);
    }
    const { windows } = events.at(-1)!;
    assert.ok(windows! > 2);
    assert.equal(windowAt.length, 12);
    assert.deepEqual([windowAt[0], windowAt.at(-1)], [0, windows! - 1]);
    // phases follow one another, and there is an estimate once something is done
    const first = events.filter(({ window }) => window === 0).map(({ phase }) => phase);
    assert.deepEqual([...new Set(first)], ['text', 'condition', 'steps', 'frames']);
    const { etaMs } = events.find(({ phase, step }) => phase === 'steps' && step === 1)!;
    assert.ok(etaMs! > 0);
    assert.equal(events.find(({ step }) => step === 0)!.etaMs, null);
  });

  test('shows a rough picture after each step, which changes nothing', async () => {
    const seen: PreviewEvent[] = [];
    const clip = mfm().generate('t2v', clipOf({ onPreview: (e: PreviewEvent) => seen.push(e) }));
    const { numFrames } = await clip.toFrames();
    assert.equal(numFrames, 12);
    for (const { frames, step, steps, window } of seen) {
      assert.deepEqual([frames.width, frames.height], [4, 4], '32 pixels at an eighth');
      assert.equal(frames.data.length, frames.numFrames * 4 * 4 * 3);
      assert.equal(steps, 2);
      assert.equal(seen.filter((one) => one.step === step && one.window === window).length, 1);
    }
    const plain = await all(mfm().generate('t2v', clipOf()).frames);
    assert.deepEqual(joined(await all(clip.frames)), joined(plain));
  });

  test('keeps frames: they can be had again, changed by nobody, and saved', async () => {
    const clip = mfm().generate('t2v', clipOf());
    const once = await all(clip.frames);
    const before = joined(once);
    for (const { data } of once) data.fill(0);
    assert.deepEqual(joined(await all(clip.frames)), before);
    const { data, numFrames, fps } = await clip.toFrames();
    assert.deepEqual([numFrames, fps], [12, 8]);
    assert.deepEqual(Buffer.from(data), before);
  });

  test('of two who read at the same time, each gets every frame', async () => {
    const clip = mfm().generate('t2v', clipOf());
    const [one, two] = await Promise.all([all(clip.frames), all(clip.frames)]);
    assert.equal(one!.length, 12);
    assert.deepEqual(joined(one!), joined(two!));
  });

  test('without keepFrames frames come once', async () => {
    const clip = mfm().generate('t2v', clipOf({ keepFrames: false }));
    const frames = await all(clip.frames);
    const kept = mfm().generate('t2v', clipOf());
    assert.deepEqual(joined(frames), joined(await all(kept.frames)));
    await assert.rejects(clip.save(at('out/never.gif')), {
      name: 'ConsumedError',
      code: 'ERR_CONSUMED',
      field: 'keepFrames',
      message: /^t2v: `frames` has already taken the frames, .* generate again with `seed: 7`$/,
    });
    assert.ok(!existsSync(at('out/never.gif')));
  });

  test('saves the same file as the command line, settings inside', async () => {
    const saved = await mfm()
      .generate('t2i', { prompt: 'a red cube', seed: 7, numInferenceSteps: 1 })
      .save(at('out/library.png'));
    const words = ['t2i', '-p', 'a red cube', '--seed', '7', '--steps', '1', '--dtype', 'float32'];
    const places = ['--device', 'cpu', '--pipeline', at('tiny'), '-o', at('out/program.png')];
    const got = await quietly(() => run(parseArgs('mfm', args, [...words, ...places]) as never));
    assert.equal(got.exitCode, 0, got.message);
    const [library, program] = ['library', 'program'].map((name) =>
      readFileSync(at(`out/${name}.png`)),
    );
    assert.deepEqual(library, program);
    assert.ok(library!.includes(JSON.stringify(saved.settings.prompt)));
    assert.deepEqual([saved.path, saved.numFrames], [at('out/library.png'), 1]);
    const { task, seed, numInferenceSteps, made } = saved.settings;
    assert.deepEqual([task, seed, numInferenceSteps], ['t2i', 7, 1]);
    assert.equal(made!.prompt, 'a red cube');
  });

  test('saves a JPEG at the quality that is asked for, which a PNG does not have', async () => {
    const picture = mfm().generate('t2i', { prompt: 'a red cube', seed: 7, numInferenceSteps: 1 });
    const usual = await picture.save(at('out/usual.jpg'));
    const small = await picture.save(at('out/small.jpg'), { quality: 10 });
    assert.deepEqual([usual.settings.quality, small.settings.quality], [undefined, 10]);
    const bytes = (name: string) => readFileSync(at(`out/${name}.jpg`)).length;
    assert.ok(bytes('small') < bytes('usual'));
    for (const [name, quality, message] of [
      ['never.png', 10, /never\.png: has no `quality`, as only \.jpg and \.webp do; leave it out/],
      ['never.jpg', 0, /^`quality`: must be a whole number from 1 to 100, got 0$/],
    ] as const) {
      const refused = { name: 'InputError', field: 'quality', message };
      await assert.rejects(picture.save(at(`out/${name}`), { quality }), refused);
      assert.ok(!existsSync(at(`out/${name}`)));
    }
  });

  test('a clip that was shown is saved, and read again', { skip: noFfmpeg }, async () => {
    const clip = mfm().generate('t2v', clipOf());
    const shown = await all(clip.frames);
    const saved = await clip.save(at('out/clip.mp4'), { fps: 4, settings: { note: 'slow' } });
    assert.deepEqual([saved.numFrames, saved.settings.fps, saved.settings.note], [12, 4, 'slow']);
    const read = await readMedia(at('out/clip.mp4'));
    assert.deepEqual([read.numFrames, read.fps], [shown.length, 4]);
    // the same seed, saved without being shown
    const other = mfm().generate('t2v', clipOf({ keepFrames: false }));
    await other.save(at('out/other.mp4'), { fps: 4, settings: { note: 'slow' } });
    assert.deepEqual(readFileSync(at('out/other.mp4')), readFileSync(at('out/clip.mp4')));
  });

  test('refuses a place before anything is made', async () => {
    const generation = mfm().generate('iinp', { input: at('photo.png'), mask: at('mask.png') });
    await assert.rejects(generation.save(at('out/a.mp4')), /iinp makes an image; name a file that/);
    await assert.rejects(generation.save(at('photo.png')), /is the input itself, which the result/);
    await assert.rejects(generation.save('-'), /results can be written only to files/);
    assert.equal(generation.figures.seconds, 0);
  });

  test('rewrites a prompt once it is known to be possible', async () => {
    const seen: string[] = [];
    const rewritePrompt = async (prompt: string) => {
      seen.push(prompt);
      return `${prompt}, red`;
    };
    const generation = mfm().generate('t2i', { prompt: 'a cube', seed: 1, rewritePrompt });
    const { settings } = await generation.save(at('out/rewritten.png'));
    assert.deepEqual([settings.prompt, settings.made!.prompt], ['a cube', 'a cube, red']);
    const plain = mfm().generate('t2i', { prompt: 'a cube, red', seed: 1 });
    assert.deepEqual((await plain.toFrames()).data, (await generation.toFrames()).data);
    const wrong = mfm().generate('t2i', { prompt: ' ', rewritePrompt });
    await assert.rejects(wrong.toFrames(), { field: 'prompt', name: 'InputError' });
    assert.deepEqual(seen, ['a cube']);
  });

  test('notes what was fitted', async () => {
    const notes: string[] = [];
    const request = { prompt: 'a cube', size: { width: 40, height: 40 } };
    await mfm()
      .generate('t2i', { ...request, onNote: (note) => notes.push(note) })
      .toFrames();
    assert.match(notes.join(), /40x40 is made at 48x48 and brought back/);
    const strict = mfm().generate('t2i', { ...request, strict: true });
    await assert.rejects(strict.toFrames(), InputError);
  });
});

describe('Mfm', () => {
  test('says what a result will be, and what it costs', async () => {
    const plan = await mfm().plan('t2v', { prompt: 'a cube', numFrames: 12 });
    const { width, height, numFrames, fps, numWindows, fits } = plan;
    assert.deepEqual([width, height, numFrames, fps, fits], [32, 32, 12, 8, true]);
    assert.ok(numWindows! > 2);
    assert.equal(plan.seconds, numWindows! * plan.cost.seconds);
    assert.ok(plan.peakBytes > 2 ** 20 && plan.availableBytes > 2 ** 20);
    // the tiny text encoder reads 16 tokens, and 32 x 32 pixels are 2 x 2 patches of a latent frame
    const { tokens } = await mfm().plan('t2i', { prompt: 'a large red cube on a wide plain' });
    assert.deepEqual(tokens, { prompt: 16, given: 0, result: 4 });
    const size = { width: 16384, height: 16384 };
    const huge = await mfm().plan('t2v', { prompt: 'a', size, numFrames: 97, window: 97 });
    assert.equal(huge.fits, false);
    const outpainting = await mfm().plan('ioutp', { input: at('photo.png'), expand: '0.5' });
    assert.equal(outpainting.width, 64);
    assert.equal(outpainting.tokens.given, outpainting.tokens.result);
  });

  test('refuses what memory has no room for, naming what it has', async () => {
    const size = { width: 16384, height: 16384 };
    const clip = mfm().generate('t2v', { prompt: 'a', size, numFrames: 97, window: 97 });
    await assert.rejects(clip.toFrames(), (error: Record<string, never>) => {
      assert.deepEqual([error.name, error.code], ['MemoryError', 'ERR_MEMORY']);
      assert.ok(error.neededBytes! > error.availableBytes!);
      const [fit] = error.fits as { size: { width: number } }[];
      assert.ok(fit!.size.width < 16384 && fit!.size.width % 16 === 0);
      return true;
    });
  });

  test('knows its tasks and their settings', () => {
    assert.equal(mfm().tasks.length, Object.keys(TASKS).length);
    const { width, numFrames, numInferenceSteps } = mfm().settingsFor('t2v');
    assert.deepEqual([width, numFrames, numInferenceSteps], [32, 5, 2]);
    assert.equal(mfm().settingsFor(TASKS.t2i).numFrames, 1);
    assert.throws(() => mfm().settingsFor('t2w'), /t2w: unknown task; did you mean "t2i"|"t2v"/);
  });

  test('refuses an option that is none or wrong, and names it', () => {
    const wrong: [object, string, RegExp][] = [
      [
        { prompt: 'a', numFrame: 5 },
        'numFrame',
        /`numFrame` is not an option; did you mean "numFrames"/,
      ],
      [{ prompt: 1 }, 'prompt', /`prompt`: .*string/],
      [{ prompt: 'a', seed: -1 }, 'seed', /`seed`: /],
      [
        { prompt: 'a', guidanceRange: [0.2, 0.5] },
        'guidanceRange',
        /must go from a higher to a lower/,
      ],
      [{ prompt: 'a', input: 'a', inputs: ['b'] }, 'inputs', /mean the same; leave one/],
      [{ prompt: 'a', tile: { width: 20, height: 32 } }, 'tile', /must be multiples of 16/],
    ];
    for (const [request, field, message] of wrong) {
      assert.throws(() => mfm().generate('t2v' as string, request), {
        name: 'InputError',
        code: 'ERR_INPUT',
        field,
        message,
      });
    }
  });
});
