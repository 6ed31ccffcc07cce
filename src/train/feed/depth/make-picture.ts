/** Draws one picture with exact distances for the training of a depth model. */
import { drawLookScene } from '../../../data/miniworld/looks/draw-look.js';
import { surfacesOf } from '../../../data/miniworld/looks/look.js';
import type { Photo } from '../../../data/miniworld/looks/photo.js';
import type { PhotoShelf } from '../../../data/miniworld/looks/photo-files.js';
import { renderLook } from '../../../data/miniworld/looks/render-look.js';
import { renderScene } from '../../../data/miniworld/render.js';
import { drawScene } from '../../../data/miniworld/scene.js';
import type { Split } from '../../../data/miniworld/vocabulary.js';
import { RandomStream } from '../../../data/random.js';
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
}

/** @param photos   of each split; null: looks are drawn without */
export async function makePicture(
  job: PictureJob,
  photos: Record<Split, { shelf: PhotoShelf; count: number }> | null,
): Promise<MadePicture> {
  const { width, height, split } = job;
  const random = new RandomStream(job.seed, job.label);
  const isPlain = random.chance(job.plainShare);
  const kind = job.kind ?? (isPlain ? 'plain' : 'look');
  const size = { width, height, numFrames: 1 };
  const seed = Math.floor(random.next() * 2 ** 40);
  if (kind === 'plain') {
    const maxObjects = 1 + Math.floor(random.next() * 3);
    const scene = drawScene(seed, { split, maxObjects, image: random.chance(0.5) });
    const { frames, depth } = renderScene(scene, size);
    return { pixels: job.disturbed ? disturb(random, frames, size) : frames, distances: depth };
  }
  const own = photos?.[split];
  const indices = Array.from({ length: own?.count ?? 0 }, (_, i) => i);
  const { scene, look } = drawLookScene(random, { photos: indices, aspect: width / height });
  const used = new Map<number, Photo>();
  for (const { photo } of surfacesOf(look)) {
    if (photo !== null) used.set(photo, await own!.shelf.get(photo));
  }
  const { frames, depth } = renderLook(scene, look, used, size);
  return { pixels: job.disturbed ? disturb(random, frames, size) : frames, distances: depth };
}
