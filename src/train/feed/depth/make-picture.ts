/** Draws one picture with exact distances for the training of a depth model. */
import { drawLookScene } from '../../../data/miniworld/looks/draw-look.js';
import { surfacesOf } from '../../../data/miniworld/looks/look.js';
import type { Photo } from '../../../data/miniworld/looks/photo.js';
import type { PhotoShelf } from '../../../data/miniworld/looks/photo-files.js';
import { renderLook } from '../../../data/miniworld/looks/render-look.js';
import { type Rendered, renderScene } from '../../../data/miniworld/render.js';
import { drawScene } from '../../../data/miniworld/scene.js';
import type { Split } from '../../../data/miniworld/vocabulary.js';
import { RandomStream } from '../../../data/random.js';
import { InputError } from '../../../errors.js';
import { disturb } from './disturb.js';

/** Everything that a picture follows from, in plain values. */
export interface PictureJob {
  seed: number;
  /** label of the random stream */
  label: string;
  width: number;
  height: number;
  split: Split;
  /** plain scenes of MiniWorld, or scenes with a look; drawn by `plainShare` if null */
  kind: 'plain' | 'look' | null;
  plainShare: number;
  /** with other light, colours, sharpness and noise */
  disturbed: boolean;
}

export interface MadePicture {
  /** RGB, [H, W, 3] */
  pixels: Uint8Array<ArrayBuffer>;
  /** along the optical axis, [H, W] */
  distances: Float32Array<ArrayBuffer>;
  /** why photos could not be read, whose surfaces are gray */
  problems: string[];
}

/** The photos of each split, and their number; null: looks are drawn without. */
export type PhotosBySplit = Record<Split, { shelf: PhotoShelf; count: number }> | null;

export async function makePicture(job: PictureJob, photos: PhotosBySplit): Promise<MadePicture> {
  const random = new RandomStream(job.seed, job.label);
  const isPlain = random.chance(job.plainShare);
  const kind = job.kind ?? (isPlain ? 'plain' : 'look');
  const seed = Math.floor(random.next() * 2 ** 40);
  const problems: string[] = [];
  const { frames, depth } =
    kind === 'plain'
      ? plainPicture(random, seed, job)
      : await lookPicture(random, job, photos?.[job.split], (problem) => problems.push(problem));
  const pixels = job.disturbed ? disturb(random, frames, job) : frames;
  return { pixels, distances: depth, problems };
}

function plainPicture(
  random: RandomStream,
  seed: number,
  { split, width, height }: PictureJob,
): Rendered {
  const maxObjects = 1 + Math.floor(random.next() * 3);
  const scene = drawScene(seed, { split, maxObjects, image: random.chance(0.5) });
  return renderScene(scene, { width, height, numFrames: 1 });
}

async function lookPicture(
  random: RandomStream,
  { width, height }: PictureJob,
  photos: NonNullable<PhotosBySplit>[Split] | undefined,
  onProblem: (problem: string) => void,
): Promise<Rendered> {
  const indices = Array.from({ length: photos?.count ?? 0 }, (_, i) => i);
  const { scene, look } = drawLookScene(random, { photos: indices, aspect: width / height });
  const used = new Map<number, Photo>();
  for (const { photo } of surfacesOf(look)) {
    if (photo === null) continue;
    try {
      used.set(photo, await photos!.shelf.get(photo));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      onProblem(error.message);
    }
  }
  return renderLook(scene, look, used, { width, height, numFrames: 1 });
}
