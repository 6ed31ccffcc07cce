/** Scenes as samples of training. */
import { type Frames, relativeDepth } from '../../media/index.js';
import type { SampleFacts } from '../sources/facts.js';
import type { Sample } from '../sources/sample.js';
import { editOf } from './edit.js';
import { type Rendered, renderScene } from './render.js';
import type { Scene } from './scene.js';

/**
 * A sample of a scene. Depth and the clip before an edit take rendering: they are made when they are
 * asked for.
 *
 * @param clip   the scene's frames
 */
export function sceneSample(
  scene: Scene,
  clip: Frames,
  caption: string,
  rendered?: Pick<Rendered, 'depth'>,
): Sample {
  return {
    clip,
    caption,
    get depth() {
      return relativeDepth((rendered ?? renderScene(scene, clip)).depth, clip);
    },
    get edit() {
      const { before, instruction } = editOf(scene);
      return { source: { ...clip, data: renderScene(before, clip).frames }, instruction };
    },
  };
}

/** What every scene of this size and length is good for. */
export const sceneFacts = (size: {
  width: number;
  height: number;
  numFrames: number;
}): SampleFacts => ({
  ...size,
  kind: size.numFrames === 1 ? 'image' : 'clip',
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
