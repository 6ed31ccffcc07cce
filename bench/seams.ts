/**
 * Are tiles visible in enlarged photos? The centre of every photo is enlarged by two, in tiles. A
 * step is the mean absolute difference of two neighbouring pixels, in levels of 255. The seam is
 * the mean step across tile borders, minus that beside them. The worst line is the row or column of
 * a tile where the steps, averaged over all tiles, are largest, minus the median over its lines: it
 * reveals patterns that every tile repeats, even away from borders. Smooth places are those where
 * the input changes by less than 1.5 levels per pixel, dark ones those below 50 levels.
 *
 *     node --import tsx bench/seams.ts --photos examples/media --crop 128
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { type Frames, readImage, resizeFrames, type Size, writeImage } from '../src/media/index.js';
import { newestPipeline } from '../src/pipeline/find.js';
import { generate } from '../src/pipeline/generate/generate.js';
import { givenOfTile, tileGrids } from '../src/pipeline/generate/tiles.js';
import { openPipeline } from '../src/pipeline/index.js';
import { given, TASKS } from '../src/tasks/index.js';
import { machineLine, median, verdict } from './measure.js';

const args = defineArgs({
  options: {
    pipeline: { kind: 'text', describe: 'folder (default: the newest in runs/ and models/)' },
    photos: { kind: 'text', repeat: true, describe: 'folders (default: examples/media)' },
    crop: { kind: 'integer', min: 16, default: 128, describe: 'longest side of the crop, pixels' },
    every: { kind: 'integer', min: 1, default: 1, describe: 'use every n-th photo' },
    steps: { kind: 'integer', min: 1, describe: "sampling steps (default: the pipeline's)" },
  },
});
const { photos, crop, every, steps, ...options } = parseArgs('seams', args, process.argv.slice(2));
/** The factor of enlargement. */
const UPSCALE = 2;
const AIM = 1;
const [SMOOTH, DARK] = [1.5, 50];

const pipeline = openPipeline(options.pipeline ?? newestPipeline());
const settings = pipeline.settingsFor(TASKS.isr);
const tile: Size = { width: settings.width, height: settings.height };

/** The steps of one kind of pixels. */
class Steps {
  sum = 0;
  count = 0;

  get mean(): number {
    return this.sum / this.count;
  }

  add({ sum, count }: Pick<Steps, 'sum' | 'count'>): void {
    this.sum += sum;
    this.count += count;
  }
}

const PLACES = ['all', 'smooth', 'dark'] as const;
type Place = (typeof PLACES)[number];
type Line = Record<Place, Steps>;
const newLine = (): Line => ({ all: new Steps(), smooth: new Steps(), dark: new Steps() });

const across = newLine();
const beside = newLine();
/** steps by distance from the tile's start */
const inTile: Line[] = Array.from({ length: Math.max(tile.width, tile.height) }, newLine);
let cpuMs = 0;
let count = 0;

console.log(machineLine());
const folder = mkdtempSync(join(tmpdir(), 'mfm-seams-'));
try {
  for (const path of files()) await measure(path);
} finally {
  rmSync(folder, { recursive: true });
}
report();

function files(): string[] {
  const folders = photos.length > 0 ? photos : ['examples/media'];
  const all = folders.flatMap((name) =>
    readdirSync(name)
      .filter((file) => /\.(png|jpe?g)$/i.test(file))
      .sort()
      .map((file) => join(name, file)),
  );
  return all.filter((_, i) => i % every === 0);
}

/** Enlarges the centre of a photo and adds its steps. */
async function measure(path: string): Promise<void> {
  const photo = await readImage(path);
  // results are multiples of 16, so that nothing is resized afterwards
  const side = (length: number) => Math.floor(Math.min(length, crop) / 8) * 8;
  const size = { width: side(photo.width), height: side(photo.height) };
  const place = {
    left: Math.floor((photo.width - size.width) / 2),
    top: Math.floor((photo.height - size.height) / 2),
  };
  const whole = given({ known: [{ frames: photo, at: [0], hole: null }] });
  const input = givenOfTile(whole, place, size).known[0]!.frames;
  const file = join(folder, 'input.png');
  await writeImage(file, input);
  const before = process.cpuUsage();
  const { frames } = await generate(pipeline, {
    task: TASKS.isr,
    prompt: '',
    inputs: [file],
    upscale: UPSCALE,
    numInferenceSteps: steps,
    seed: count,
  });
  const { user, system } = process.cpuUsage(before);
  cpuMs += (user + system) / 1000;
  count++;
  addSteps(frames, input);
}

function addSteps(frames: Frames, input: Frames): void {
  const enlarged = resizeFrames(input, frames);
  const grids = tileGrids(frames, tile);
  for (const [axis, start, length] of [
    ['columns', 'left', tile.width],
    ['rows', 'top', tile.height],
  ] as const) {
    const lines = linesOf(frames, enlarged, axis);
    const isWithin = (b: number) => b > 0 && b < lines.length;
    const starts = [...new Set(grids[0]!.map((one) => one[start]))];
    const borders = new Set(grids.flat().flatMap((one) => [one[start], one[start] + length]));
    const first = new Set(starts.flatMap((at) => [at, at + length]));
    for (const b of [...first].filter(isWithin)) {
      // lines at the same offset within an input pixel as the border: steps are larger between two
      // such pixels
      const near = [-3, -2, -1, 1, 2, 3]
        .map((i) => b + i * UPSCALE)
        .filter((line) => isWithin(line) && !borders.has(line));
      for (const kind of PLACES) {
        const around = new Steps();
        for (const line of near) around.add(lines[line]![kind]);
        const own = lines[b]![kind];
        if (own.count === 0 || around.count === 0) continue;
        across[kind].add(own);
        beside[kind].add({ sum: around.mean * own.count, count: own.count });
      }
    }
    for (const at of starts) {
      for (let i = 0; i < length; i += UPSCALE) {
        if (!isWithin(at + i)) continue;
        for (const kind of PLACES) inTile[i]![kind].add(lines[at + i]![kind]);
      }
    }
  }
}

/** The steps from each column to the next, or from each row to the next. */
function linesOf(frames: Frames, enlarged: Frames, axis: 'columns' | 'rows'): Line[] {
  const { width, height } = frames;
  const [count, along] = axis === 'columns' ? [width, height] : [height, width];
  const stride = axis === 'columns' ? 1 : width;
  return Array.from({ length: count }, (_, b) => {
    const line = newLine();
    for (let k = 0; b > 0 && k < along; k++) {
      const p = axis === 'columns' ? k * width + b : b * width + k;
      const own = { sum: stepAt(frames, p, stride), count: 1 };
      line.all.add(own);
      let [change, pairs] = [0, 0];
      for (let i = -3; i <= 4; i++) {
        if (b + i < 1 || b + i >= count) continue;
        change += stepAt(enlarged, p + i * stride, stride);
        pairs++;
      }
      if (change / pairs < SMOOTH) line.smooth.add(own);
      const level = enlarged.data[p * 3]! + enlarged.data[p * 3 + 1]! + enlarged.data[p * 3 + 2]!;
      if (level / 3 < DARK) line.dark.add(own);
    }
    return line;
  });
}

/** The mean absolute difference between the channels of a pixel and those of the one before it. */
function stepAt({ data }: Frames, pixel: number, stride: number): number {
  const [p, q] = [pixel * 3, (pixel - stride) * 3];
  const at = (c: number) => Math.abs(data[p + c]! - data[q + c]!);
  return (at(0) + at(1) + at(2)) / 3;
}

function report(): void {
  const pictures = `${count} photos of at most ${crop}x${crop}, enlarged by ${UPSCALE}`;
  console.log(`${pictures}; ${Math.round(cpuMs / count)} CPU ms each`);
  console.log('| | across borders | beside them | seam | worst line of a tile |');
  console.log('| --- | --- | --- | --- | --- |');
  let most = 0;
  for (const kind of PLACES) {
    const seam = across[kind].mean - beside[kind].mean;
    const means = inTile.map((line) => line[kind]).filter((one) => one.count > 0);
    const values = means.map(({ mean }) => mean);
    const worst = Math.max(...values) - median(values);
    most = Math.max(most, seam, kind === 'all' ? 0 : worst);
    const cells = [across[kind].mean, beside[kind].mean, seam, worst].map((x) => x.toFixed(2));
    console.log(`| ${kind} | ${cells.join(' | ')} |`);
  }
  verdict(
    `largest seam, or worst line in smooth or dark places: ${most.toFixed(2)}`,
    most < AIM,
    'below 1',
  );
}
