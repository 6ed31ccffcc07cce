/** Turns scenes into training samples. */
import { type DepthMap, type Frames, relativeDepth } from '../../media/index.js';
import type { SampleFacts } from '../sources/facts.js';
import type { Sample } from '../sources/sample.js';
import { editOf } from './edit.js';
import type { Photos } from './looks/render-look.js';
import type { Rendered } from './render.js';
import type { Scene } from './scene.js';
import { renderWorld } from './world.js';

/**
 * The training sample of a scene. Depth and the clip before an edit are rendered only when accessed.
 *
 * @param clip     the scene's frames
 * @param photos   of its look
 */
export function sceneSample(
  scene: Scene,
  clip: Frames,
  caption: string,
  rendered?: Pick<Rendered, 'depth'>,
  photos?: Photos,
): Sample {
  let depth: DepthMap | null = null;
  return {
    clip,
    caption,
    get depth() {
      depth ??= relativeDepth((rendered ?? renderWorld(scene, clip, photos)).depth, clip);
      return depth;
    },
    get edit() {
      const { before, instruction } = editOf(scene);
      const { frames, depth } = renderWorld(before, clip, photos);
      const sourceDepth = relativeDepth(depth, clip);
      return { source: { ...clip, data: frames }, sourceDepth, instruction };
    },
  };
}

/** The facts that hold for every scene of this size and length. */
export const sceneFacts = (size: {
  width: number;
  height: number;
  numFrames: number;
}): SampleFacts => ({
  ...size,
  kind: size.numFrames === 1 ? 'image' : 'clip',
  isDrawn: true,
  captionWords: 8,
  sharpness: null,
  motionScore: null,
  colourful: true,
  watermark: false,
  text: false,
  hasMask: true,
  hasDepth: true,
  hasEditSource: true,
});
