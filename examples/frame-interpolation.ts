/** A task of your own: three new frames between every two frames of a clip. docs/tasks.md explains it. */
import {
  type ConditionInputs,
  cut,
  type DepthMap,
  defineTask,
  type Frames,
  given,
  InputError,
} from 'mfm/tasks';

/** One frame in four of the result is known: four frames share one latent frame. */
const STRIDE = 4;

export const vinterp = defineTask({
  id: 'vinterp',
  summary: 'your clip with three new frames between every two',
  promptTag: 'video frame interpolation',
  result: 'video',
  inputs: ['video'],
  followsInput: false,
  needs: { frames: STRIDE + 1, moves: true },
  keeps: 'known pixels',
  windows: 'first frame',
  fromSample: ({ clip, depth }) => spread(everyFourth(clip), depth && everyFourth(depth)),
  fromInput: ({ media: [clip] }, numFrames) => {
    const count = countWithin(numFrames);
    if (clip!.numFrames < count) {
      throw new InputError(
        `${numFrames} frames: are made of ${count}, the input has ${clip!.numFrames}; ask for fewer with \`numFrames\``,
      );
    }
    return spread(cut(clip!, count));
  },
});

/** The number of known frames in a result of `numFrames`: k + 1 of 4k + 1. */
const countWithin = (numFrames: number): number => (numFrames - 1) / STRIDE + 1;

/** Places the frames at 0, 4, 8, … of the new clip; in use their depth is estimated, if it can be. */
const spread = (frames: Frames, depth: DepthMap | null = null): ConditionInputs => {
  const at = Array.from({ length: frames.numFrames }, (_, i) => i * STRIDE);
  return given({ known: [{ frames, at, hole: null, depth }] });
};

/** Every fourth frame of a clip, or of its depth. */
function everyFourth<T extends Frames | DepthMap>(clip: T): T {
  const numFrames = countWithin(clip.numFrames);
  const length = clip.data.length / clip.numFrames; // values of a frame
  const data = clip.data.slice(0, numFrames * length);
  for (let i = 0; i < numFrames; i++) {
    const from = i * STRIDE * length;
    data.set(clip.data.subarray(from, from + length), i * length);
  }
  return { ...clip, numFrames, data };
}
