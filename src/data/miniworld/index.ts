/**
 * MiniWorld: from a seed, renders a clip of solids that move on a ground and occlude one another, with
 * exact depth, masks, caption and motion score. Plain TypeScript on typed arrays, for worker threads.
 */
import { InputError } from '../../errors.js';
import { captionOf } from './caption.js';
import { motionScore } from './motion.js';
import { type Rendered, type RenderOptions, renderScene } from './render.js';
import { drawScene, type Scene, type SceneOptions } from './scene.js';

export { captionOf } from './caption.js';
export { motionScore } from './motion.js';
export { FAR, type Rendered, type RenderOptions, renderScene } from './render.js';
export { drawScene, type Scene, type SceneOptions } from './scene.js';
export * from './vocabulary.js';

/** Raised whenever a seed gives different pixels or captions, which invalidates everything stored. */
export const MINIWORLD_VERSION = 1;

export interface MiniWorldOptions extends RenderOptions, Omit<SceneOptions, 'image'> {}

export interface MiniWorldSample extends Rendered {
  width: number;
  height: number;
  numFrames: number;
  caption: string;
  /** mean optical flow in pixels per frame, see `motionScore` */
  motionScore: number;
  scene: Scene;
}

/**
 * The sample for a seed; the same seed and split give the same scene at every size and length.
 *
 * @throws InputError for sizes, lengths, seeds or counts out of range
 */
export function miniWorld(seed: number, options: MiniWorldOptions): MiniWorldSample {
  const { width, height, numFrames, split, maxObjects } = options;
  for (const [name, value] of Object.entries({ width, height, numFrames })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new InputError(`miniworld: ${name} must be a whole number of at least 1, got ${value}`);
    }
  }
  const scene = drawScene(seed, { split, maxObjects, image: numFrames === 1 });
  const rendered = renderScene(scene, { width, height, numFrames });
  return {
    ...rendered,
    width,
    height,
    numFrames,
    caption: captionOf(scene, numFrames),
    motionScore: motionScore(scene, rendered, { width, height, numFrames }),
    scene,
  };
}

export type { Solid } from './solid.js';
