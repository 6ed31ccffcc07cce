import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { createClipWriter } from '../../../src/media/codecs/clip-writer.js';
import { readMedia } from '../../../src/media/codecs/read.js';
import type { AudioSource } from '../../../src/media/codecs/sound.js';
import { writeImage, writeVideo } from '../../../src/media/codecs/write.js';
import { probeAudio, probeVideo } from '../../../src/media/ffmpeg/probe.js';
import { temporaryFolder } from '../../temp-folder.js';
import { ffmpeg, flatFrames, listing, noFfmpeg } from '../helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

const RATE = 48000;
/** Samples by whose crossings of zero the pitch is told: 20 ms. */
const SPAN = RATE / 50;

/** What is heard, and until when: `silence 0.5, 440 1.5`, in seconds to a span. */
function heard(path: string): string {
  ffmpeg('-i', path, '-map', '0:a:0', '-ac', '1', '-ar', `${RATE}`, '-f', 's16le', at('raw'));
  const bytes = readFileSync(at('raw'));
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
  const runs: [string, number][] = [];
  for (let start = 0; start + SPAN <= samples.length; start += SPAN) {
    let [crossings, loudest] = [0, 0];
    for (let i = start + 1; i < start + SPAN; i++) {
      if (samples[i]! >= 0 !== samples[i - 1]! >= 0) crossings++;
      loudest = Math.max(loudest, Math.abs(samples[i]!));
    }
    const pitch = (crossings * RATE) / SPAN / 2;
    const name = loudest < 300 ? 'silence' : pitch < 900 ? '440' : '1760';
    const end = (start + SPAN) / RATE;
    if (runs.at(-1)?.[0] === name) runs.at(-1)![1] = end;
    else runs.push([name, end]);
  }
  return runs.map(([name, end]) => `${name} until ${end.toFixed(1)}`).join(', ');
}

const seconds = (count: number) => flatFrames(64, 48, new Array(count * 25).fill([90, 120, 60]));
const write = (name: string, audio: AudioSource, count = 3) =>
  writeVideo(at(name), seconds(count), { fps: 25, audio, description: 'a test' });

describe('sound of a clip', { skip: noFfmpeg }, () => {
  before(async () => {
    // four seconds: two of 440 Hz, two of 1760 Hz
    const tones = ['-f', 'lavfi', '-i', 'sine=440:d=2', '-f', 'lavfi', '-i', 'sine=1760:d=2'];
    const joined = ['-filter_complex', '[0:a][1:a]concat=n=2:v=0:a=1'];
    ffmpeg(...tones, ...joined, '-c:a', 'pcm_s16le', at('tones.wav'));
    const pictures = ['-f', 'lavfi', '-i', 'testsrc=s=64x48:r=25:d=4', '-c:v', 'mpeg4'];
    ffmpeg(...pictures, at('silent.mp4'));
    ffmpeg('-i', at('silent.mp4'), '-i', at('tones.wav'), '-c:v', 'copy', at('tones.mp4'));
  });

  for (const name of ['clip.mp4', 'clip.webm']) {
    test(`${name} has it from the second wanted on, as long as the pictures`, async () => {
      await write(name, { path: at('tones.mp4'), startSeconds: 1 });
      assert.equal(heard(at(name)), '440 until 1.0, 1760 until 3.0');
      const { durationSeconds, hasAudio } = await probeVideo(at(name));
      assert.equal(hasAudio, true);
      assert.ok(Math.abs(durationSeconds! - 3) < 0.05, `${durationSeconds} s`);
      const { numFrames, fps } = await readMedia(at(name));
      assert.deepEqual([numFrames, fps], [75, 25]);
    });

    test(`${name} is silent before it by the delay, and after its end`, async () => {
      await write(name, { path: at('tones.wav'), startSeconds: 3, delaySeconds: 0.5 });
      assert.equal(heard(at(name)), 'silence until 0.5, 1760 until 1.5, silence until 3.0');
    });
  }

  for (const ending of ['mp4', 'mkv', 'ts']) {
    test(`begins with the first picture of .${ending}, later or earlier than the sound`, async () => {
      // a codec that all three hold
      ffmpeg('-i', at('silent.mp4'), '-c:v', 'mpeg2video', at('silent.mov'));
      const pictures = ['-i', at('silent.mov')];
      const tones = ['-i', at('tones.mp4')];
      const late = ['-itsoffset', '0.5'];
      const both = ['-map', '0:v:0', '-map', '1:a:0', '-c', 'copy'];
      ffmpeg(...late, ...pictures, ...tones, ...both, at(`pictures-late.${ending}`));
      ffmpeg(...pictures, ...late, ...tones, ...both, at(`sound-late.${ending}`));
      const result = async (name: string, startSeconds: number) => {
        await write('cut.mp4', { path: at(`${name}.${ending}`), startSeconds }, 3 - startSeconds);
        return heard(at('cut.mp4'));
      };
      assert.equal(await result('pictures-late', 0), '440 until 1.5, 1760 until 3.0');
      assert.equal(
        await result('sound-late', 0),
        'silence until 0.5, 440 until 2.5, 1760 until 3.0',
      );
      assert.equal(await result('pictures-late', 1), '440 until 1.0, 1760 until 2.0');
    });
  }

  test('is the default one of several', async () => {
    ffmpeg('-f', 'lavfi', '-i', 'sine=1760:d=4', '-c:a', 'pcm_s16le', at('high.wav'));
    const inputs = ['silent.mp4', 'tones.wav', 'high.wav'].flatMap((name) => ['-i', at(name)]);
    const maps = ['-map', '0:v', '-map', '1:a', '-map', '2:a', '-c:v', 'copy'];
    const marks = ['-disposition:a:0', '0', '-disposition:a:1', 'default'];
    ffmpeg(...inputs, ...maps, ...marks, at('two-sounds.mkv'));
    await write('taken.mp4', { path: at('two-sounds.mkv'), startSeconds: 0 }, 1);
    assert.equal(heard(at('taken.mp4')), '1760 until 1.0');
  });

  test('of a clip written in parts is the same, and its comment stays', async () => {
    const audio = { path: at('tones.mp4'), startSeconds: 1 };
    await write('once.mp4', audio, 2);
    const writer = await createClipWriter(at('parts.mp4'), {
      width: 64,
      height: 48,
      fps: 25,
      audio,
      description: 'a test',
    });
    await writer.write(seconds(1));
    await writer.write(seconds(1));
    await writer.finish();
    const bytes = readFileSync(at('parts.mp4'));
    assert.deepEqual(bytes, readFileSync(at('once.mp4')));
    assert.ok(bytes.includes('a test'));
  });

  test('is not there when the source has none there', async () => {
    await writeImage(at('still.png'), flatFrames(8, 8, [[0, 0, 0]]));
    for (const audio of [
      { path: at('silent.mp4'), startSeconds: 0 },
      { path: at('tones.mp4'), startSeconds: 30 },
      { path: at('still.png'), startSeconds: 0 },
      { path: folder, startSeconds: 0 },
    ]) {
      await write('none.mp4', audio, 1);
      assert.equal((await probeVideo(at('none.mp4'))).hasAudio, false);
      assert.equal((await readMedia(at('none.mp4'))).numFrames, 25);
    }
    await write('none.gif', { path: at('tones.mp4'), startSeconds: 0 }, 1);
    assert.deepEqual(
      listing(folder).filter((name) => name.startsWith('none')),
      ['none.gif', 'none.mp4'],
    );
  });

  test('of many channels becomes stereo', async () => {
    const six = 'pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0';
    ffmpeg('-i', at('tones.wav'), '-af', six, at('six.wav'));
    assert.equal((await probeAudio(at('six.wav')))!.channels, null);
    await write('six.webm', { path: at('six.wav'), startSeconds: 0 }, 1);
    assert.equal((await probeAudio(at('six.webm')))!.channels, 2);
  });

  test('that cannot be had is told of before a frame is written', async () => {
    mkdirSync(at('refused'));
    writeFileSync(at('text.mp3'), 'This is a text.\n');
    writeFileSync(at('bytes.mp3'), Buffer.alloc(5000, '\x01\x80\x00'));
    const rejects = (audio: AudioSource, pattern: RegExp) =>
      assert.rejects(
        createClipWriter(at('refused/x.mp4'), { width: 64, height: 48, fps: 25, audio }),
        (error: Error) => error instanceof InputError && pattern.test(error.message),
      );
    await rejects({ path: at('missing.mp4'), startSeconds: 0 }, /missing\.mp4: no such file/);
    await rejects({ path: at('text.mp3'), startSeconds: 0 }, /text\.mp3: holds text/);
    await rejects({ path: at('bytes.mp3'), startSeconds: 0 }, /bytes\.mp3: cannot be decoded/);
    await rejects({ path: at('tones.mp4'), startSeconds: -1 }, /startSeconds must be 0 seconds/);
    assert.deepEqual(listing(at('refused')), []);
  });

  test('leaves nothing behind when it is aborted', async () => {
    mkdirSync(at('aborted'));
    const controller = new AbortController();
    const writer = await createClipWriter(at('aborted/x.mp4'), {
      width: 64,
      height: 48,
      fps: 25,
      signal: controller.signal,
      audio: { path: at('tones.mp4'), startSeconds: 0 },
    });
    await writer.write(seconds(3));
    const finishing = writer.finish();
    controller.abort();
    await assert.rejects(finishing, { name: 'AbortError' });
    assert.deepEqual(listing(at('aborted')), []);
  });
});
