/** `mfm info`: facts about this machine or a pipeline, e.g. for a bug report or slow results. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../../../errors.js';
import { buildRecord, findAddon } from '../../../files/addon.js';
import { packageVersion } from '../../../files/package-root.js';
import { readJsonObject } from '../../../files/read-json.js';
import { MOST_FRAMES, MOST_SIDE, MOST_STEPS } from '../../../limits.js';
import type { PipelineShape } from '../../../pipeline/shape.js';
import { chosenDevice, deviceOption, dtypeOption } from '../../options/device.js';
import { defineArgs, type Options } from '../../terminal/args.js';
import { formatBytes } from '../../terminal/progress.js';

export const summary =
  'show facts about this machine, or the parts of a pipeline and the cost of a result';

export const args = defineArgs({
  positional: {
    pipeline: {
      kind: 'text',
      optional: true,
      describe: 'folder, ORG/NAME that `mfm pull` downloaded, or a released size: mfm-2b, mfm-8b',
    },
  },
  options: {
    pipeline: { kind: 'text', placeholder: 'FOLDER', describe: 'same as the argument PIPELINE' },
    task: { kind: 'text', describe: 'task to estimate the cost for (default t2v)' },
    size: {
      kind: 'size',
      multipleOf: 16,
      max: MOST_SIDE,
      describe: "size of the result (default: the pipeline's)",
    },
    frames: {
      kind: 'integer',
      min: 1,
      max: MOST_FRAMES,
      describe: "frames of the result (default: the pipeline's)",
    },
    steps: {
      kind: 'integer',
      min: 1,
      max: MOST_STEPS,
      describe: "sampling steps (default: the pipeline's)",
    },
    guidance: { kind: 'number', min: 0, describe: "guidance scale (default: the pipeline's)" },
    device: deviceOption,
    dtype: dtypeOption,
    json: { kind: 'flag', describe: 'print JSON instead of a table' },
  },
});

export const examples = [
  ['this machine and its software', 'info'],
  ['a downloaded pipeline: its folder, parts and cost', 'info LetsThink/MfM-Pipeline-2B'],
  ['the cost of the released 8B model on this machine', 'info mfm-8b --size 640x352 --frames 17'],
] as const;

/** What the cost of a result depends on. */
const OF_COST = ['task', 'size', 'frames', 'steps', 'guidance', 'device'] as const;

export async function run(options: Options<typeof args>): Promise<void> {
  const { json, pipeline } = options;
  const alone = pipeline === undefined && OF_COST.find((name) => options[name] !== undefined);
  if (alone) {
    throw new InputError(
      `--${alone}: is about the cost of a result; name the pipeline too, or leave it out`,
    );
  }
  // report a wrong name before the engine is loaded
  const about = pipeline === undefined ? null : await pipelineFacts(pipeline);
  const machine = await collect();
  const cost = pipeline === undefined ? null : await costOf(pipeline, options);
  if (json) {
    console.log(
      JSON.stringify({ ...machine, ...about, ...(cost && { plan: cost.plan }) }, null, 2),
    );
    return;
  }
  const facts = Object.entries({ ...machine, ...about });
  const width = Math.max(...facts.map(([key]) => key.length));
  for (const [key, value] of facts) console.log(`${key.padEnd(width)}  ${value}`);
  if (cost) console.log(`\n${cost.lines.join('\n')}`);
}

/** Estimates the cost of a result on this machine. */
async function costOf(pipeline: string, options: Options<typeof args>) {
  const { hasCondition, taskOf } = await import('../../../tasks/index.js');
  const { PIPELINE_PRESETS, presetShape, readShape } = await import('../../../pipeline/shape.js');
  const { readSettings, RELEASED_SETTINGS, settingsFor } = await import(
    '../../../pipeline/index.js'
  );
  const { resolvePipeline } = await import('../../../pipeline/find.js');
  const { expectFrameCount, runsOneAtATime } = await import('../../../pipeline/index.js');
  const { Planner } = await import('../../../pipeline/cost/planner.js');
  const { planLines } = await import('../../options/result-cost.js');
  const { fastDtype } = await import('../../../nn/index.js');
  const task = taskOf(options.task ?? 't2v');
  const preset = PIPELINE_PRESETS.find((name) => name === pipeline);
  const own = preset ? RELEASED_SETTINGS : readSettings(resolvePipeline(pipeline));
  const settings = settingsFor(own, task);
  const device = await chosenDevice(options.device, options.dtype);
  const dtype = options.dtype === 'auto' ? fastDtype(device) : options.dtype;
  const isImage = task.result === 'image';
  if (isImage && options.frames !== undefined && options.frames !== 1) {
    throw new InputError(`${task.id}: makes an image; leave out --frames`);
  }
  const numFrames = isImage ? 1 : (options.frames ?? settings.numFrames);
  expectFrameCount('--frames', numFrames);
  const { width, height } = options.size ?? settings;
  let shape: PipelineShape;
  try {
    shape = preset ? presetShape(preset) : readShape(resolvePipeline(pipeline));
  } catch (error) {
    // an incomplete folder still has facts to show
    return { plan: null, lines: [`cost: cannot be estimated (${(error as Error).message})`] };
  }
  const oneAtATime = runsOneAtATime(shape, dtype, device);
  const planner = new Planner(shape, { dtype, oneAtATime, device });
  const plan = planner.plan({
    target: { width, height, numFrames },
    numInferenceSteps: options.steps ?? settings.numInferenceSteps,
    guidanceScale: options.guidance ?? settings.guidanceScale,
    promptLength: settings.promptLength,
    depth: settings.usesDepth && hasCondition(task),
  });
  return { plan, lines: planLines(task.id, plan, planner.availableBytes) };
}

async function collect(): Promise<Record<string, string | number>> {
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  const machine = {
    mfm: packageVersion,
    node: process.version,
    system: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memory: `${gib(totalmem())}, ${gib(freemem())} free`,
  };
  return { ...machine, ...(await engineFacts()), ffmpeg: await ffmpegFact() };
}

/** The pipeline's folder, and each part's class, file size and number of parameters. */
async function pipelineFacts(name: string): Promise<Record<string, string>> {
  const { PIPELINE_PRESETS, partParameters, presetShape } = await import(
    '../../../pipeline/shape.js'
  );
  const inWords = (parameters: number) => `${(parameters / 1e6).toFixed(1)} M parameters`;
  const preset = PIPELINE_PRESETS.find((known) => known === name);
  if (preset) {
    const parts = Object.entries(presetShape(preset).parts);
    return Object.fromEntries(parts.map(([part, { parameters }]) => [part, inWords(parameters)]));
  }
  const { resolvePipeline } = await import('../../../pipeline/find.js');
  const folder = resolvePipeline(name);
  const path = join(folder, 'model_index.json');
  if (!existsSync(path)) {
    throw new InputError(
      `${folder}: is not a pipeline folder (no model_index.json); name one, a pipeline that \`mfm pull\` downloaded, or mfm-2b or mfm-8b`,
    );
  }
  const facts: Record<string, string> = { pipeline: folder };
  for (const [part, value] of Object.entries(readJsonObject(path))) {
    // parts are entries that name a subfolder and its class
    if (!/^\w+$/.test(part) || !Array.isArray(value) || typeof value[1] !== 'string') continue;
    const bytes = bytesIn(join(folder, part));
    const notes = [value[1], bytes === undefined ? 'missing' : formatBytes(bytes)];
    try {
      const count = partParameters(folder, part);
      if (count !== null) notes.push(inWords(count));
    } catch (error) {
      notes.push(`not understood (${(error as Error).message})`); // a finding here, not a failure
    }
    facts[part] = notes.join(', ');
  }
  return facts;
}

function bytesIn(folder: string): number | undefined {
  if (!existsSync(folder)) return undefined;
  const files = readdirSync(folder).map((name) => statSync(join(folder, name)));
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** A missing engine is a finding here, not a failure. */
async function engineFacts(): Promise<Record<string, string | number>> {
  try {
    const { availability, CollectiveGroup, engineInfo, memoryOf, resolveDevice } = await import(
      '../../../tensor/index.js'
    );
    const { gpuFacts } = await import('./gpu-facts.js');
    const { libtorch, kernels, threads, matrixUnits } = engineInfo();
    const available = availability();
    return {
      libtorch: `${libtorch}${builtAgainst()}`,
      kernels,
      matrixUnits,
      threads,
      ...gpuFacts({
        available,
        resolved: resolveDevice('auto', available),
        nccl: CollectiveGroup.hasNccl(),
        freeBytes: (device) => memoryOf(device)?.free ?? null,
      }),
    };
  } catch (error) {
    return { libtorch: (error as Error).message };
  }
}

/** Where setup found LibTorch, as recorded in a file beside the addon. */
function builtAgainst(): string {
  const record = buildRecord(findAddon());
  return record ? `, ${record.source}` : '';
}

async function ffmpegFact(): Promise<string> {
  try {
    const { findFfmpeg } = await import('../../../media/ffmpeg/ffmpeg.js');
    const { ffmpegVersion, isOld, versionInWords } = await import(
      '../../../media/ffmpeg/version.js'
    );
    const path = findFfmpeg();
    const version = ffmpegVersion(path);
    return `${versionInWords(version)}, ${path}${isOld(version) ? ' (old: install version 5 or newer)' : ''}`;
  } catch (error) {
    return (error as Error).message;
  }
}
