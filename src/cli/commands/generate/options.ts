/** Options of `mfm generate`. */
import { MOST_FRAMES, MOST_RESULTS, MOST_SIDE, MOST_STEPS } from '../../../limits.js';
import { deviceOption, dtypeOption } from '../../options/device.js';
import { loraOption } from '../../options/lora.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import { maskOptions } from './mask-options.js';
import { placedOptions } from './placed-options.js';
import { referenceOptions, sideOptions } from './reference-options.js';
import { rewriteOptions } from './rewrite.js';

/** Options that can differ from result to result; a row of `--batch` may set them. */
const resultOptions = {
  prompt: {
    kind: 'text',
    short: 'p',
    placeholder: 'TEXT',
    describe: 'what the result should show',
  },
  input: {
    kind: 'text',
    placeholder: 'FILE',
    short: 'i',
    repeat: true,
    aliases: ['image', 'video', 'path'],
    describe: 'input: image, clip or folder of images',
  },
  ...placedOptions,
  ...maskOptions,
  depth: {
    kind: 'text',
    placeholder: 'FILE',
    repeat: true,
    describe:
      "depth of an input, instead of a depth model's estimate: gray image (8 or 16 bits), clip or folder, white = near, or .safetensors; one for each input. For any: of all frames, or FILE@PLACE, FILE@FIRST..LAST",
  },
  depthIs: {
    kind: 'text',
    choices: ['near', 'far', 'distance'],
    describe:
      'what the values of depth files mean: white is near, white is far, or distances, with 0 where nothing was measured (default: near)',
  },
  depthFrom: {
    kind: 'text',
    placeholder: 'FILE',
    describe:
      'd2v: clip or picture whose depth is estimated, instead of a depth file; --input is then the optional first frame',
  },
  reference: {
    kind: 'text',
    placeholder: 'FILE',
    describe: 'colourisation: picture whose palette the result takes',
  },
  size: {
    kind: 'size',
    describe:
      "size of the result, generated in multiples of 16 (default: the input's, or the pipeline's)",
  },
  fit: {
    kind: 'text',
    choices: ['crop', 'pad', 'stretch'],
    describe: 'how an input of another shape than the result is fitted (default: crop)',
  },
  strict: {
    kind: 'flag',
    describe: 'stop with an error instead of fitting sizes, shapes, lengths or rates',
  },
  keepKnown: {
    kind: 'flag',
    isOn: true,
    describe:
      "leave the result as the model makes it; the input's known pixels, brightness or coarse picture are otherwise put back into it",
  },
  ...sideOptions,
  frames: {
    kind: 'integer',
    min: 1,
    max: MOST_FRAMES,
    aliases: ['numFrames'],
    describe:
      "frames of the result, any number; vexd and vtrans: those from where the input joins on, the rest of which comes on top (default: the input's, or the pipeline's)",
  },
  window: {
    kind: 'integer',
    min: 1,
    max: MOST_FRAMES,
    describe:
      "frames generated at once, 4k + 1; longer results are generated in several windows (default: the pipeline's)",
  },
  tile: {
    kind: 'size',
    multipleOf: 16,
    max: MOST_SIDE,
    describe: "super-resolution: tile size for large results (default: the pipeline's size)",
  },
  tiles: {
    kind: 'flag',
    isOn: true,
    describe: 'super-resolution: generate large results whole, not in tiles',
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
    describe: "guidance scale; 1 means no guidance (default: the pipeline's)",
  },
  solver: {
    kind: 'text',
    choices: ['euler', 'dpm++', 'unipc'],
    describe: 'solver; dpm++ and unipc need about half as many steps (default: euler)',
  },
  guidanceFrom: {
    kind: 'number',
    min: 0,
    max: 1,
    describe:
      'use no guidance above this noise level, which halves the work of those steps (default: 1)',
  },
  guidanceUntil: {
    kind: 'number',
    min: 0,
    max: 1,
    describe:
      'use no guidance below this noise level, which halves the work of those steps (default: 0)',
  },
  cache: {
    kind: 'number',
    min: 0,
    max: 1,
    describe:
      "reuse the last full step while the first block's residual changes by less than this fraction; 0.1 saves about a third of the steps, 0.2 half (default: 0, compute every step)",
  },
  addedPrompt: {
    kind: 'text',
    placeholder: 'TEXT',
    describe: "words added to the prompt (default: the pipeline's)",
  },
  negativePrompt: {
    kind: 'text',
    placeholder: 'TEXT',
    describe: "what the result should not show (default: the pipeline's)",
  },
  motionScore: {
    kind: 'number',
    min: 0,
    describe: "how much the clip moves (default: the pipeline's)",
  },
  noiseAugStrength: {
    kind: 'number',
    min: 0,
    max: 1,
    describe:
      'noise added to the input, so that the result follows it less closely; 1 is as strong as the input (default: 0, none)',
  },
  upscale: {
    kind: 'number',
    min: 1,
    describe: 'super-resolution: factor by which the input is enlarged (default: 2)',
  },
  seed: {
    kind: 'seed',
    describe:
      'seed of the noise, up to 64 bits; the same seed gives the same result (default, or -1: a random one; in a batch: 0)',
  },
} as const;

export const rowArgs = defineArgs({ options: resultOptions, help: 'mfm generate --help' });
export type ResultOptions = Options<typeof rowArgs>;

export const args = defineArgs({
  positional: { task: { kind: 'text', describe: 'task to run, see the list below' } },
  options: {
    ...resultOptions,
    output: {
      kind: 'text',
      placeholder: 'FILE',
      short: 'o',
      describe:
        'file to write (default: TASK-SEED.png or .mp4), or folder for several results (default: TASK-results)',
    },
    outputDir: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'folder to write to, with generated file names; instead of --output',
    },
    ext: {
      kind: 'text',
      placeholder: 'ENDING',
      describe:
        'extension of generated file names: mp4, webm, gif, png, jpg, webp (default: png or mp4)',
    },
    simpleName: {
      kind: 'flag',
      aliases: ['useSimpleName'],
      describe: 'name the results of a batch by number only, without words of the prompt',
    },
    samples: {
      kind: 'integer',
      min: 1,
      max: MOST_RESULTS,
      default: 1,
      aliases: ['numSamples'],
      describe: 'results for each prompt, from consecutive seeds',
    },
    batch: {
      kind: 'text',
      placeholder: 'LIST',
      repeat: true,
      describe:
        'generate a result for every line of a text file (prompts), every row of a JSONL or CSV file (keys are the options above), or every file of a folder (with NAME_mask.EXT as its mask); run again to continue after a stop',
    },
    useTSchedule: {
      kind: 'flag',
      describe: "use more steps at high noise, like the reference's option of this name",
    },
    ...rewriteOptions,
    compat: {
      kind: 'text',
      choices: ['reference'],
      describe:
        'lay inputs out as the reference implementation does; masks are then black in the part to generate',
    },
    cropType: {
      kind: 'text',
      choices: ['keep_ratio', 'keep_ratio_h', 'keep_res'],
      describe: 'how --compat fits an input to the size (default: keep_ratio)',
    },
    fps: {
      kind: 'number',
      min: 1,
      describe: "frames per second (default: the input's, or the pipeline's)",
    },
    depthModel: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe:
        "folder or ORG/NAME of a Depth Anything model, for tasks that use depth (default: the pipeline's, if it has one)",
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
      describe: 'module that declares your own tasks (docs/tasks.md)',
    },
    lora: loraOption,
    compareFull: {
      kind: 'flag',
      describe:
        'also generate the result without --cache and with guidance at every step, and print how close both are (PSNR)',
    },
    checkMemory: {
      kind: 'flag',
      default: true,
      describe: 'start even if there seems to be too little memory',
    },
    dtype: dtypeOption,
    device: deviceOption,
    ...referenceOptions,
  },
});
export type GenerateOptions = Options<typeof args>;
