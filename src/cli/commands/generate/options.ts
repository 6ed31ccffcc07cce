/** What `mfm generate` takes. */
import { MOST_FRAMES, MOST_RESULTS, MOST_SIDE, MOST_STEPS } from '../../../limits.js';
import { deviceOption, dtypeOption } from '../../options/device.js';
import { loraOption } from '../../options/lora.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import { maskOptions } from './mask-options.js';
import { referenceOptions, sideOptions } from './reference-options.js';
import { rewriteOptions } from './rewrite.js';

/** What can differ from result to result; a row of `--batch` may hold these. */
const resultOptions = {
  prompt: { kind: 'text', short: 'p', placeholder: 'TEXT', describe: 'what to show' },
  input: {
    kind: 'text',
    placeholder: 'FILE',
    short: 'i',
    repeat: true,
    aliases: ['image', 'video', 'path'],
    describe: 'image, clip or folder of images',
  },
  ...maskOptions,
  depth: {
    kind: 'text',
    placeholder: 'FILE',
    repeat: true,
    describe:
      'depth of an input, in place of what a depth model tells: gray image (8 or 16 bits), clip, folder, white = near; or .safetensors; one for each input of i2v, vexd, itrans, vtrans',
  },
  reference: {
    kind: 'text',
    placeholder: 'FILE',
    describe: 'colourisation: a picture whose palette the result gets',
  },
  size: {
    kind: 'size',
    describe:
      "size of the result (default: the input's, or the pipeline's); made in multiples of 16",
  },
  fit: {
    kind: 'text',
    choices: ['crop', 'pad', 'stretch'],
    describe: 'how an input of another shape than the result is fitted (default: crop)',
  },
  strict: { kind: 'flag', describe: 'refuse instead of fitting sizes, shapes, lengths or rates' },
  keepKnown: {
    kind: 'flag',
    describe:
      'put back what the input shows: known pixels, brightness, the coarse picture (default: yes)',
  },
  ...sideOptions,
  frames: {
    kind: 'integer',
    min: 1,
    max: MOST_FRAMES,
    aliases: ['numFrames'],
    describe: "frames of the result, as many as you like (default: the input's, or the pipeline's)",
  },
  window: {
    kind: 'integer',
    min: 1,
    max: MOST_FRAMES,
    describe:
      'frames that are made at once, 4k + 1; a longer result goes on from what is made (default: as trained)',
  },
  tile: {
    kind: 'size',
    multipleOf: 16,
    max: MOST_SIDE,
    describe: 'super-resolution: what is made at once of a large result (default: as trained)',
  },
  tiles: {
    kind: 'flag',
    describe: 'let super-resolution make large results in tiles (default: yes)',
  },
  steps: {
    kind: 'integer',
    min: 1,
    max: MOST_STEPS,
    aliases: ['numInferenceSteps'],
    describe: "sampling steps (default: the pipeline's)",
  },
  guidance: {
    kind: 'number',
    min: 0,
    aliases: ['guidanceScale'],
    describe: "guidance scale, 1 is none (default: the pipeline's)",
  },
  solver: {
    kind: 'text',
    choices: ['euler', 'dpm++', 'unipc'],
    describe: 'how steps are taken; the last two need about half as many (default: euler)',
  },
  guidanceFrom: {
    kind: 'number',
    min: 0,
    max: 1,
    describe: 'noise level above which steps go without guidance, at half the work (default: 1)',
  },
  guidanceUntil: {
    kind: 'number',
    min: 0,
    max: 1,
    describe: 'noise level below which steps go without guidance, at half the work (default: 0)',
  },
  cache: {
    kind: 'number',
    min: 0,
    max: 1,
    describe:
      'use a step again while its first block changes less than this, as a part of it; 0.1 saves about a third of the steps, 0.2 half (default: 0, none)',
  },
  addedPrompt: {
    kind: 'text',
    placeholder: 'TEXT',
    describe: "words added to the prompt (default: the pipeline's)",
  },
  negativePrompt: {
    kind: 'text',
    placeholder: 'TEXT',
    describe: "what not to show (default: the pipeline's)",
  },
  motionScore: { kind: 'number', min: 0, describe: "how much moves (default: the pipeline's)" },
  noiseAugStrength: {
    kind: 'number',
    min: 0,
    max: 1,
    describe:
      'noise added to the input, so that the result keeps less closely to it: 0 is none, 1 as strong as the input (default: 0)',
  },
  upscale: {
    kind: 'number',
    min: 1,
    describe: 'how many times larger super-resolution makes its input (default: 2)',
  },
  seed: {
    kind: 'seed',
    describe:
      'seed of the noise, up to 64 bits; the same one gives the same result (default, or -1: a new one; in a batch: 0)',
  },
} as const;

export const rowArgs = defineArgs({ options: resultOptions, help: 'mfm generate --help' });
export type ResultOptions = Options<typeof rowArgs>;

export const args = defineArgs({
  positional: { task: { kind: 'text', describe: 'what to do, see below' } },
  options: {
    ...resultOptions,
    output: {
      kind: 'text',
      placeholder: 'FILE',
      short: 'o',
      describe:
        'file to write (default: TASK-SEED.png or .mp4), or folder where there are several results (default: TASK-results)',
    },
    outputDir: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'folder to write to, under names of our making; in place of --output',
    },
    ext: {
      kind: 'text',
      placeholder: 'ENDING',
      describe: 'ending of those names: mp4, webm, gif, png, jpg, webp (default: png or mp4)',
    },
    simpleName: {
      kind: 'flag',
      aliases: ['useSimpleName'],
      describe: 'number the results of a batch only, without words of the prompt',
    },
    samples: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      default: 1,
      aliases: ['numSamples'],
      describe: 'results of each prompt, from seeds that follow one another',
    },
    batch: {
      kind: 'text',
      placeholder: 'LIST',
      repeat: true,
      describe:
        'a result for every line of a text file (prompts), a JSONL or CSV (keys are the options above), or every file of a folder (with NAME_mask.EXT as its mask); run again to go on where it stopped',
    },
    useTSchedule: {
      kind: 'flag',
      describe: 'more steps at high noise, as the reference has it under this name',
    },
    ...rewriteOptions,
    compat: {
      kind: 'text',
      choices: ['reference'],
      describe:
        'lay inputs out as the reference implementation does; masks are then black where something is to be made',
    },
    cropType: {
      kind: 'text',
      choices: ['keep_ratio', 'keep_ratio_h', 'keep_res'],
      describe: 'how --compat fits an input to the size (default: keep_ratio)',
    },
    fps: {
      kind: 'number',
      min: 1,
      describe: "frames a second (default: the input's or the pipeline's)",
    },
    depthModel: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe:
        "folder or ORG/NAME of a Depth Anything model, for tasks that are given depth (default: the pipeline's, if it has one)",
    },
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      aliases: ['pipelinePath'],
      describe:
        'folder, or ORG/NAME that `mfm pull` downloaded (default: the newest in runs/ and models/)',
    },
    tasks: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'module that declares tasks of your own (docs/tasks.md)',
    },
    lora: loraOption,
    compareFull: {
      kind: 'flag',
      describe:
        'also make it without --cache and with guidance at every step, and print how near it comes (PSNR)',
    },
    checkMemory: {
      kind: 'flag',
      default: true,
      describe: 'begin even if there seems to be too little memory',
    },
    dtype: dtypeOption,
    device: deviceOption,
    ...referenceOptions,
  },
});
export type GenerateOptions = Options<typeof args>;
