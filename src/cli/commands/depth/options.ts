/** Options of `mfm depth`. */
import { MOST_FRAMES } from '../../../limits.js';
import { deviceOption, dtypeOption } from '../../options/device.js';
import { defineArgs, type Options } from '../../terminal/args.js';

export const args = defineArgs({
  options: {
    input: {
      kind: 'text',
      placeholder: 'FILE',
      short: 'i',
      repeat: true,
      aliases: ['image', 'video', 'path'],
      describe: 'picture, clip, or folder of pictures that are the frames of a clip',
    },
    batch: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'every file of a folder on its own; run again to continue after a stop',
    },
    output: {
      kind: 'text',
      placeholder: 'FILE',
      short: 'o',
      describe:
        'file to write, see below (default: NAME-depth.png or .mkv), or folder for several results (default: depth-results)',
    },
    ext: {
      kind: 'text',
      placeholder: 'ENDING',
      repeat: true,
      describe:
        'ending of generated file names, for the pictures or clips that can have it (default: png and mkv)',
    },
    invert: { kind: 'flag', describe: 'white is far; by default white is near' },
    colour: {
      kind: 'flag',
      aliases: ['color'],
      describe:
        'colour it with the palette turbo, to look at: it cannot be read back as depth, so keep the gray one',
    },
    start: { kind: 'number', min: 0, describe: 'seconds to skip at the beginning of a clip' },
    frames: {
      kind: 'integer',
      min: 1,
      max: MOST_FRAMES,
      aliases: ['numFrames'],
      describe: 'stop after this many frames (default: all)',
    },
    fps: { kind: 'number', min: 1, describe: "frames per second (default: the input's)" },
    depthModel: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: "folder or ORG/NAME of a Depth Anything model (default: the pipeline's)",
    },
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe:
        'pipeline whose depth model is used: folder, or ORG/NAME that `mfm pull` downloaded (default: the newest in runs/ and models/)',
    },
    dtype: dtypeOption,
    device: deviceOption,
  },
});
export type DepthOptions = Options<typeof args>;
