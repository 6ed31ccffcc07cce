import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { JobError, ShapeError } from '../../../src/errors.js';
import { type ClipOptions, createClipWriter } from '../../../src/media/codecs/clip-writer.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import { writeVideo } from '../../../src/media/codecs/write.js';
import { findFfmpeg } from '../../../src/media/ffmpeg/ffmpeg.js';
import { temporaryFolder } from '../../temp-folder.js';
import { colorAt, expectColor, flatFrames, listing, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const SIZE = { width: 64, height: 48 };
const options: ClipOptions = { ...SIZE, fps: 25, crf: 4 };
const flat = (...colours: number[][]) => flatFrames(SIZE.width, SIZE.height, colours);

describe('createClipWriter', { skip: noFfmpeg }, () => {
  for (const name of ['clip.mp4', 'clip.webm', 'clip.gif']) {
    test(`writes ${name} in parts, and shows it only when it is whole`, async () => {
      mkdirSync(at(`parts-${name}`));
      const path = at(`parts-${name}/${name}`);
      const writer = await createClipWriter(path, options);
      const part = flat([200, 50, 30], [16, 240, 90]);
      await writer.write(part);
      part.data.fill(0); // what was written may be overwritten
      await writer.write(flat([10, 20, 250]));
      assert.ok(!listing(at(`parts-${name}`)).includes(name));
      await writer.finish();
      await writer.abort(); // means nothing any more
      assert.deepEqual(listing(at(`parts-${name}`)), [name]);
      const back = await readMedia(path);
      assert.deepEqual([back.numFrames, back.fps], [3, 25]);
      expectColor(colorAt(back, 0), [200, 50, 30], 6);
      expectColor(colorAt(back, 2), [10, 20, 250], 6);
    });

    test(`leaves nothing of ${name}, and the old file alone, when it is given up`, async () => {
      mkdirSync(at(`old-${name}`));
      const path = at(`old-${name}/${name}`);
      writeFileSync(path, 'old');
      const writer = await createClipWriter(path, options);
      await writer.write(flat([1, 2, 3]));
      await writer.abort();
      await writer.abort();
      assert.deepEqual(listing(at(`old-${name}`)), [name]);
      assert.equal(readFileSync(path, 'utf8'), 'old');
      await assert.rejects(writer.write(flat([1, 2, 3])), JobError);
      await assert.rejects(writer.finish(), JobError);
    });
  }

  test('writes in parts the same bytes as at once', async () => {
    const clip = flat([0, 90, 0], [200, 90, 0], [0, 90, 200], [9, 9, 9]);
    await writeVideo(at('once.mp4'), clip, { fps: 25, crf: 4 });
    const writer = await createClipWriter(at('parts.mp4'), options);
    for (let i = 0; i < 4; i++) await writer.write(flat([...colorAt(clip, i)]));
    await writer.finish();
    assert.deepEqual(readFileSync(at('parts.mp4')), readFileSync(at('once.mp4')));
  });

  test('removes what it wrote when it is aborted between two parts', async () => {
    mkdirSync(at('aborted'));
    const controller = new AbortController();
    const { signal } = controller;
    const writer = await createClipWriter(at('aborted/x.mp4'), { ...options, signal });
    await writer.write(flat([1, 2, 3]));
    controller.abort();
    await assert.rejects(writer.write(flat([1, 2, 3])), { name: 'AbortError' });
    await assert.rejects(writer.finish(), { name: 'AbortError' });
    await writer.abort();
    assert.deepEqual(listing(at('aborted')), []);
  });

  test('refuses frames of another size, and a clip without frames', async () => {
    mkdirSync(at('wrong'));
    const writer = await createClipWriter(at('wrong/x.mp4'), options);
    await assert.rejects(
      writer.write(flatFrames(32, 48, [[0, 0, 0]])),
      (error: Error) => error instanceof ShapeError && /64x48, got 32x48/.test(error.message),
    );
    const empty = await createClipWriter(at('wrong/y.mp4'), options);
    await assert.rejects(empty.finish(), /y\.mp4: must have at least one frame/);
    assert.deepEqual(listing(at('wrong')), []);
  });

  // a program that knows its encoders, then writes a little and fails as the case says
  const failing = (name: string, lines: string) => {
    const program = at(name);
    writeFileSync(
      program,
      `#!/bin/sh\ncase "$*" in *-encoders*) exec '${findFfmpeg()}' "$@";; esac\n` +
        `for output; do :; done; echo begun > "\${output#file:}"\n${lines}\n`,
    );
    chmodSync(program, 0o755);
    return program;
  };
  const cases: [string, string, RegExp][] = [
    ['dies at once', 'exit 1', /cannot be written \(ffmpeg exited with code 1/],
    ['is killed', 'head -c 20000 > /dev/null; kill -9 $$', /ffmpeg exited with code null/],
    [
      'finds the disk full',
      'head -c 20000 > /dev/null; echo "av_interleaved_write_frame(): No space left on device" >&2; exit 1',
      /the disk is full; free some space and run again/,
    ],
    [
      'finds the disk full at the end, and leaves with 0',
      'cat > /dev/null; echo "No space left on device" >&2; exit 0',
      /the disk is full/,
    ],
  ];
  for (const [name, lines, pattern] of cases) {
    test(`leaves nothing when ffmpeg ${name}`, { skip: process.platform === 'win32' }, async () => {
      const place = at(`failed ${name}`);
      const program = failing(`program ${name}`, lines);
      const named = process.env.FFMPEG_PATH;
      process.env.FFMPEG_PATH = program;
      try {
        const writer = await createClipWriter(join(place, 'x.mp4'), options);
        const writing = async () => {
          for (let i = 0; i < 50; i++) await writer.write(flat([i, i, i]));
          await writer.finish();
        };
        const told = (error: Error) => error instanceof JobError && pattern.test(error.message);
        await assert.rejects(writing(), told);
        await assert.rejects(writer.finish(), told);
        assert.deepEqual(listing(place), []);
      } finally {
        if (named === undefined) delete process.env.FFMPEG_PATH;
        else process.env.FFMPEG_PATH = named;
      }
    });
  }
});

test('a GIF is as long as its frames', async () => {
  for (const fps of [8, 15, 30]) {
    const frames = flatFrames(
      4,
      4,
      Array.from({ length: 30 }, (_, i) => [8 * i, 0, 0]),
    );
    await writeVideo(at(`${fps}.gif`), frames, { fps });
    const { delay } = await sharp(at(`${fps}.gif`), { animated: true }).metadata();
    const length = delay!.reduce((sum, one) => sum + one, 0);
    assert.ok(Math.abs(length - 30_000 / fps) <= 5, `${fps}: ${length} ms`);
  }
});
