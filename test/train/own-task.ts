/** A task that is in no table, as a file outside of the repository would declare it. */
import { defineTask, everyFrame, type Frames } from 'mfm/tasks';

/** The clip of a negative. */
export const positive = defineTask({
  id: 'positive',
  summary: 'your negative clip as it was',
  promptTag: 'negative to positive',
  result: 'video',
  inputs: ['video'],
  fromSample: ({ clip }) => everyFrame(negative(clip)),
  fromInput: ({ media: [clip] }) => everyFrame(clip!),
});

const negative = (clip: Frames): Frames => ({
  ...clip,
  data: clip.data.map((value) => 255 - value),
});
