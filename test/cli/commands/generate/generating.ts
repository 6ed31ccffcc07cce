/** `mfm generate` on a tiny random pipeline, in this process, with files made for it. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { args, run } from '../../../../src/cli/commands/generate/generate.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { type Frames, readMedia, sliceFrames, writeImage } from '../../../../src/media/index.js';
import { saveTinyPipeline } from '../../../eval/tiny-pipeline.js';
import { quietly } from '../../quietly.js';

/** A folder with the pipeline `tiny`: 32x32, 5 frames, with depth. */
export function workplace(name: string) {
  const root = mkdtempSync(join(tmpdir(), `mfm-${name}-`));
  after(() => rmSync(root, { recursive: true, force: true }));
  const at = (file: string) => join(root, file);
  saveTinyPipeline(at('tiny'), { usesDepth: true });

  /** One step with a seed, unless the words say otherwise. */
  async function generate(...words: string[]) {
    const unless = (flag: string, ...value: string[]) =>
      words.includes(flag) ? [] : [flag, ...value];
    const all = [
      ...words,
      ...unless('--pipeline', at('tiny')),
      ...[...unless('--steps', '1'), ...unless('--seed', '1'), ...unless('--guidance', '1')],
    ];
    return quietly(() => run(parseArgs('mfm generate', args, all) as never));
  }

  /** Runs it, which must succeed, and reads what it made. */
  async function made(file: string, ...words: string[]) {
    const got = await generate(...words, '-o', at(file));
    if (got.exitCode !== 0) throw new Error(`${words.join(' ')}: ${got.message}`);
    return { ...(await readMedia(at(file))), stderr: got.stderr };
  }

  return { root, at, generate, made };
}

/** Noise that is always the same, without structure that a window or tile could hide behind. */
export function noisy(width: number, height: number, numFrames = 1, seed = 1): Frames {
  let state = seed;
  const data = new Uint8Array(width * height * numFrames * 3).map(() => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return { width, height, numFrames, data };
}

/** The same colour or gray all over, frame by frame. */
export function plain(width: number, height: number, colours: number[][]): Frames {
  const plane = width * height * 3;
  const data = new Uint8Array(plane * colours.length).map(
    (_, i) => colours[Math.floor(i / plane)]![i % 3]!,
  );
  return { width, height, numFrames: colours.length, data };
}

/** Gray that gets lighter to the right, and a little with every frame: a depth map. */
export function slope(width: number, height: number, numFrames = 1): Frames {
  const data = new Uint8Array(width * height * numFrames * 3).map((_, i) => {
    const pixel = Math.floor(i / 3);
    return Math.floor(((pixel % width) * 200) / width) + Math.floor(pixel / (width * height));
  });
  return { width, height, numFrames, data };
}

/** White within the columns, else black. */
export function columns(
  width: number,
  height: number,
  [from, to]: [number, number],
  numFrames = 1,
): Frames {
  const data = new Uint8Array(width * height * numFrames * 3).map((_, i) => {
    const x = Math.floor(i / 3) % width;
    return x >= from && x < to ? 255 : 0;
  });
  return { width, height, numFrames, data };
}

/** A clip as a folder of PNG files, which keeps every pixel. */
export async function writeFolder(path: string, clip: Frames): Promise<string> {
  mkdirSync(path);
  for (let i = 0; i < clip.numFrames; i++) {
    await writeImage(join(path, `${i}.png`), sliceFrames(clip, i, i + 1));
  }
  return path;
}

/** The pixels of columns `from` to `to`, of all frames. */
export function columnsOf({ data, width }: Frames, from: number, to: number): Uint8Array {
  return data.filter((_, i) => {
    const x = Math.floor(i / 3) % width;
    return x >= from && x < to;
  });
}
