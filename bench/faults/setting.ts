/** The run on which faults are tried: tiny networks, MiniWorld and a few files, on a small disk. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

/** Seconds between checkpoints: the training time that a killed process may lose. */
export const CHECKPOINT_SECONDS = 0.4;
/** Seconds without a sign of life after which a process counts as hung. */
export const HANG_SECONDS = 3;
/** Size of the disk that runs use. */
const DISK = '96m';

export interface Setting {
  /** everything is below this folder */
  folder: string;
  /** pictures and clips */
  media: string;
  recipe: string;
  /** the same recipe, but files are read again each time they are used */
  reading: string;
  /** null if runs use a small disk that can be filled; else the reason why not */
  noDisk: string | null;
  remove(): void;
}

export async function makeSetting(): Promise<Setting> {
  const folder = mkdtempSync(join(tmpdir(), 'mfm-faults-'));
  const disk = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'none', folder]);
  const noDisk =
    disk.status === 0
      ? null
      : `a small disk cannot be mounted (${(disk.stderr?.toString() || String(disk.error)).trim()})`;
  const media = join(folder, 'media');
  await makeMedia(media);
  const recipe = join(folder, 'recipe.yaml');
  const reading = join(folder, 'reading.yaml');
  writeFileSync(recipe, JSON.stringify(recipeOf(media)));
  writeFileSync(reading, JSON.stringify({ ...recipeOf(media), cacheFrames: false }));
  const remove = () => {
    if (noDisk === null) spawnSync('umount', ['--lazy', folder]);
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, media, recipe, reading, noDisk, remove };
}

/** Fills the disk of `folder` up to `leftBytes`; the returned function frees it again. */
export function fillDisk(folder: string, leftBytes: number): () => void {
  const ballast = join(folder, 'ballast');
  const { bavail, bsize } = statfsSync(folder);
  const block = new Uint8Array(2 ** 16);
  const count = Math.max(0, Math.floor((bavail * bsize - leftBytes) / block.length));
  try {
    writeFileSync(ballast, '');
    for (let i = 0; i < count; i++) writeFileSync(ballast, block, { flag: 'a' });
  } catch {
    // full already
  }
  return () => rmSync(ballast, { force: true });
}

export function copyRun(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
}

const optimisation = { checkpointEverySeconds: CHECKPOINT_SECONDS, logEverySteps: 1 };

/** A recipe in JSON, which is YAML. Two stages, so that faults also hit the change of stage. */
const recipeOf = (media: string) => ({
  name: 'faults',
  dtype: 'float32',
  data: [{ miniworld: { clips: 4, images: 4 } }, { manifest: media }],
  validationSamples: 1,
  autoencoder: {
    ...optimisation,
    steps: 8,
    width: 16,
    height: 16,
    blockOutChannels: [8, 8, 8, 8],
    batches: [
      { numFrames: 5, batchSize: 1 },
      { numFrames: 1, batchSize: 2 },
    ],
  },
  textEncoder: { width: 32, numLayers: 1 },
  transformer: {
    numLayers: 1,
    numHeads: 1,
    adapterChannels: [8, 8, 8, 8, 8],
    width: 16,
    height: 16,
    numFrames: 5,
    tokensPerBatch: 4,
    ...optimisation,
    adapter: { ...optimisation, steps: 4 },
    tasks: { t2i: 1, iinp: 1, i2v: 1, vinp: 1 },
    imageShare: [0.5, 0.5],
    warmupSteps: 10,
    validateEverySteps: 50,
    sampleEverySteps: 70,
    stages: [
      { name: 'first', steps: 30 },
      { name: 'second', steps: 90, tokensPerMicroBatch: 2 },
    ],
    steps: 1,
  },
  pipeline: { guidanceScale: 1, fps: 8 },
});

const [SIDE, FRAMES, FILES] = [32, 5, 3];

/** Makes pictures, and animations with as many frames as training uses, of drifting colours. */
async function makeMedia(folder: string): Promise<void> {
  mkdirSync(folder);
  for (let file = 0; file < FILES; file++) {
    const pixels = Buffer.alloc(FRAMES * SIDE * SIDE * 3);
    for (let i = 0; i < pixels.length; i++) {
      const frame = Math.floor(i / (SIDE * SIDE * 3));
      pixels[i] = 128 + 100 * Math.sin(i / (7 + file) + frame + (i % 3));
    }
    const all = { width: SIDE, height: SIDE * FRAMES, channels: 3 as const };
    const clip = sharp(pixels, { raw: { ...all, pageHeight: SIDE } });
    await clip.gif({ delay: Array<number>(FRAMES).fill(100) }).toFile(join(folder, `${file}.gif`));
    const first = pixels.subarray(0, SIDE * SIDE * 3);
    const picture = sharp(first, { raw: { width: SIDE, height: SIDE, channels: 3 } });
    await picture.png().toFile(join(folder, `${file}.png`));
    for (const ending of ['gif', 'png']) {
      writeFileSync(join(folder, `${file}.${ending}.txt`), 'a red cube');
    }
  }
}
