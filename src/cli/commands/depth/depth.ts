/** `mfm depth`: estimates the depth of pictures and clips, and writes it to files. */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { OpenDepth, SavedDepth } from '../../../index.js';
import { withOptions } from '../../terminal/fields.js';
import type { Example } from '../../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { describeProblem, failedLine } from '../../terminal/problem.js';
import { formatDuration, Progress } from '../../terminal/progress.js';
import type { DepthJob, DepthJobs } from './jobs.js';
import type { DepthOptions } from './options.js';

export const summary = 'estimate the depth of pictures and clips, and write it to files';

export { args } from './options.js';

export const examples: readonly Example[] = [
  ['of a picture, in 16 bits', 'depth -i photo.jpg -o depth.png'],
  ['of a clip, without loss', 'depth -i clip.mp4 -o depth.mkv'],
  ['of a clip, to look at', 'depth -i clip.mp4 --colour -o depth.mp4'],
  ['of all files of a folder', 'depth --batch photos -o depths'],
];

export function details(): string {
  return `The ending of --output says what is written:
  .png                  a picture, 16-bit gray
  .tif                  a picture, 32-bit floats: the model's values
  .safetensors          picture or clip, 32-bit floats [F, H, W]: the model's values
  .mkv                  a clip, 8-bit gray without loss (FFV1)
  .mp4, .webm           a clip, 8-bit gray, which players show
  none                  a clip, as a folder of 16-bit gray PNG

Depth is relative: larger is nearer, and it has no unit. In gray, the farthest point of the whole clip is black
and the nearest white, so that nothing flickers. That range is known only after the last frame: a clip is
estimated once, a few frames at a time, and its values wait in a temporary file beside the result (4 bytes a
pixel: 0.5 GB for a minute of 640x360 at 10 frames a second). Memory does not grow with a clip's length.

\`mfm generate d2v\` takes what this writes as its input, and --depth of other tasks too, except in colour.`;
}

const say = (line: string) => process.stderr.write(`${withOptions(line)}\n`);

export async function run(options: DepthOptions): Promise<number | undefined> {
  const { depthJobs } = await import('./jobs.js');
  const { openDepth } = await import('../../../index.js');
  const { jobs, several } = await depthJobs(options, say);
  const model = await openDepth(await modelOf(options), {
    dtype: options.dtype,
    device: options.device,
    onNote: say,
  });
  return withInterrupt('stopping after this step', async (signal) => {
    try {
      if (several) return await saveAll(jobs, { model, options, signal });
      await save(jobs[0] as DepthJob, { model, options, signal });
      return undefined;
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      throw error;
    } finally {
      await model.dispose();
    }
  });
}

/** The depth model's name, or a pipeline that has one. */
async function modelOf({ depthModel, pipeline }: DepthOptions): Promise<string> {
  if (depthModel !== undefined) return depthModel;
  const { chosenPipeline } = await import('../../options/chosen-pipeline.js');
  return chosenPipeline(pipeline);
}

interface Context {
  model: OpenDepth;
  options: DepthOptions;
  signal: AbortSignal;
}

/** Makes the results that do not exist yet; one that fails does not stop the others. */
async function saveAll(jobs: DepthJobs, context: Context): Promise<number | undefined> {
  const { writeAtomically } = await import('../../../files/atomic.js');
  const { hasSettings, stampOfAll } = await import('../generate/result-settings.js');
  let exitCode: number | undefined;
  let [present, done, seconds, failed] = [0, 0, 0, 0];
  const weights = stampOfAll([context.model.folder]);
  for (const [i, job] of jobs.entries()) {
    try {
      if ('problem' in job) throw job.problem;
      const about = `${job.output}.json`;
      const settings = settingsOf(job, context);
      const files = stampOfAll([job.input]);
      if (existsSync(job.output) && hasSettings(about, settings, { files, weights })) {
        present++;
        continue;
      }
      const left = done > 1 ? `, ${formatDuration((seconds / done) * (jobs.length - i))} left` : '';
      say(`${i + 1} of ${jobs.length}: ${job.output}${left}`);
      const startMs = performance.now();
      const { path: _, ...made } = await save(job, context);
      const whole = { ...settings, made: { ...made, files, weights } };
      const text = `${JSON.stringify(whole, null, 2)}\n`;
      await writeAtomically(about, (temporary) => writeFile(temporary, text));
      done++;
      seconds += (performance.now() - startMs) / 1000;
    } catch (error) {
      if (context.signal.aborted) throw error;
      const { message, exitCode: code } = describeProblem(error);
      say(message.startsWith(`${job.input}: `) ? message : `${job.input}: ${message}`);
      exitCode = code;
      failed++;
    }
  }
  if (present > 0) say(`${present} of ${jobs.length} existed already`);
  if (failed > 0) say(failedLine(failed, jobs.length));
  return exitCode;
}

/** Everything that determines a result, for a batch that is run again. */
function settingsOf({ input }: DepthJob, { model, options }: Context) {
  const { start, frames, fps, invert, colour, dtype, device } = options;
  return { input, depthModel: model.folder, dtype, device, start, frames, fps, invert, colour };
}

async function save({ input, output }: DepthJob, context: Context): Promise<SavedDepth> {
  const { model, options, signal } = context;
  const { start, frames: numFrames, fps, invert, colour } = options;
  const notes: string[] = [];
  let progress: Progress | null = null;
  let phase = '';
  try {
    const saved = await model.save(input, output, {
      start,
      numFrames,
      fps,
      invert,
      colour,
      signal,
      onNote: (note) => notes.push(note),
      onProgress: (event) => {
        if (event.phase !== phase) {
          progress?.end();
          const label = event.phase === 'estimate' ? 'estimating' : 'writing';
          progress = new Progress({ label, total: event.frames ?? undefined, unit: 'frames' });
          phase = event.phase;
        }
        progress?.update(event.frame);
      },
    });
    (progress as Progress | null)?.end();
    for (const note of notes) say(note);
    const { width, height, numFrames: count, least, most } = saved;
    const range = [least, most].map((value) => Number(value.toPrecision(3))).join(' to ');
    const length = count === 1 ? '' : `, ${count} frames`;
    say(`depth ${width}x${height}${length}, values from ${range}, ${model.folder}`);
    process.stdout.write(`${output}\n`);
    return saved;
  } finally {
    (progress as Progress | null)?.end();
  }
}
