/** `mfm generate`: one task on the user's own prompt, image, clip and mask. */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { InputError } from '../errors.js';
import { didYouMean } from '../suggest.js';
import { defineArgs, type Options } from './args.js';
import type { Example } from './help.js';
import { INTERRUPTED, withInterrupt } from './interrupt.js';
import { Progress } from './progress.js';

export const summary = 'make an image or a clip: from a prompt, an image, a clip, a mask';

export const args = defineArgs({
  positional: { task: { kind: 'text', describe: 'what to do, see below' } },
  options: {
    prompt: { kind: 'text', short: 'p', placeholder: 'TEXT', describe: 'what to show' },
    input: {
      kind: 'text',
      placeholder: 'FILE',
      short: 'i',
      repeat: true,
      describe: 'image, clip or folder of images',
    },
    mask: {
      kind: 'text',
      placeholder: 'FILE',
      describe: 'image or clip, white where something is to be made',
    },
    output: {
      kind: 'text',
      placeholder: 'FILE',
      short: 'o',
      describe: 'file to write (default: TASK-SEED.png or .mp4)',
    },
    size: { kind: 'size', describe: 'size of the result, multiples of 16' },
    frames: { kind: 'integer', min: 1, describe: 'frames of the result, 4k + 1' },
    steps: { kind: 'integer', min: 1, describe: "sampling steps (default: the pipeline's)" },
    guidance: {
      kind: 'number',
      min: 0,
      describe: "guidance scale, 1 is none (default: the pipeline's)",
    },
    negativePrompt: { kind: 'text', placeholder: 'TEXT', describe: 'what not to show' },
    motionScore: { kind: 'number', min: 0, describe: "how much moves (default: the pipeline's)" },
    seed: {
      kind: 'integer',
      min: 0,
      describe: 'of the noise; the same seed gives the same result (default: a new one)',
    },
    fps: {
      kind: 'number',
      min: 1,
      describe: "frames a second (default: the input's or the pipeline's)",
    },
    pipeline: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe:
        'folder, or ORG/NAME that `mfm pull` downloaded (default: the newest in runs/ and models/)',
    },
    dtype: {
      kind: 'text',
      choices: ['auto', 'float32', 'bfloat16'],
      default: 'auto',
      describe: 'what is computed in',
    },
  },
});

export const examples: readonly Example[] = [
  ['a clip from a prompt', 'generate t2v -p "a red cube moves left"'],
  ['a clip that begins with a photo', 'generate i2v -i photo.jpg -p "the camera pans right"'],
  ['fill the white part of a mask', 'generate vinp -i clip.mp4 --mask hole.png -o filled.mp4'],
];

/** The tasks; the table of them needs LibTorch, without which help shows the options alone. */
export async function details(): Promise<string> {
  try {
    const { TASKS } = await import('../tasks/index.js');
    const lines = Object.values(TASKS).map(({ id, summary: what }) => `  ${id.padEnd(5)} ${what}`);
    return ['Tasks:', ...lines].join('\n');
  } catch (error) {
    return `Tasks: cannot be listed (${(error as Error).message})`;
  }
}

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { TASKS, TASK_IDS } = await import('../tasks/index.js');
  const { findFfmpeg, outputKind, writeMedia } = await import('../media/index.js');
  const { newestPipeline, resolvePipeline } = await import('../pipeline/find.js');
  const { generate } = await import('../pipeline/generate.js');
  const { openPipeline } = await import('../pipeline/index.js');

  const task = TASKS[options.task as keyof typeof TASKS];
  if (!task) {
    throw new InputError(
      `${options.task}: unknown task${didYouMean(options.task, TASK_IDS) || `; there are ${TASK_IDS.join(', ')}`}`,
    );
  }
  const seed = options.seed ?? randomInt(2 ** 31);
  const extension = task.result === 'image' ? 'png' : 'mp4';
  const output = options.output ?? `${task.id}-${seed}.${extension}`;
  if (outputKind(output) !== task.result) {
    throw new InputError(
      `${output}: ${task.id} makes ${task.result === 'image' ? 'an image' : 'a clip'}; name a file that ends in .${extension}`,
    );
  }
  // found missing now, not when the clip has been made
  if (task.result === 'video' && !output.toLowerCase().endsWith('.gif')) findFfmpeg();
  const folder = options.pipeline ? resolvePipeline(options.pipeline) : newestPipeline();
  const pipeline = openPipeline(folder, { dtype: options.dtype as 'auto' });
  const trained = pipeline.settings.tasks;
  if (trained && !trained.includes(task.id)) {
    process.stderr.write(`${folder}: was not trained on ${task.id} (only ${trained.join(', ')})\n`);
  }

  return withInterrupt('stopping after this step', async (signal) => {
    let progress: Progress | null = null;
    try {
      const { frames, fps } = await generate(pipeline, {
        task,
        prompt: options.prompt ?? '',
        negativePrompt: options.negativePrompt,
        inputs: options.input,
        mask: options.mask,
        size: options.size,
        numFrames: options.frames,
        numInferenceSteps: options.steps,
        guidanceScale: options.guidance,
        motionScore: options.motionScore,
        seed,
        signal,
        onPrepared: ({ notes }) => {
          for (const note of notes) process.stderr.write(`${note}\n`);
        },
        onStep: (step, total) => {
          progress ??= new Progress({ label: task.id, total });
          progress.update(step);
        },
      });
      (progress as Progress | null)?.end();
      await writeMedia(output, frames, { fps: options.fps ?? fps, signal });
      const { width, height, numFrames } = frames;
      const size = `${width}x${height}${numFrames > 1 ? `, ${numFrames} frames` : ''}`;
      process.stderr.write(`${task.id} ${size}, seed ${seed}, ${folder}\n`);
      process.stdout.write(`${resolve(output)}\n`);
      return undefined;
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      throw error;
    } finally {
      (progress as Progress | null)?.end();
      pipeline.dispose();
    }
  });
}
