/**
 * The child process that computes: it opens a pipeline by the library, and answers calls. It ends with
 * the server, whatever ends that.
 */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { MemoryError } from '../../errors.js';
import { readJsonObject } from '../../files/read-json.js';
import { type Mfm, open, type ProgressEvent, TASKS, type Task } from '../../index.js';
import { locateLora } from '../../nn/index.js';
import { openSafetensors } from '../../tensor/index.js';
import type { RecipeInput } from '../../train/recipe/config.js';
import { bodyOf, inApiWords } from '../errors.js';
import { callingIt } from './calling-it.js';
import { drawFrame, drawMask, drawSheet } from './draw.js';
import type {
  CallName,
  Calls,
  FromChild,
  MadeFacts,
  MakingEvent,
  ModelFacts,
  OpenSpec,
  TaskFacts,
  ToChild,
} from './messages.js';
import { PAUSE_SECONDS, PreviewWriter } from './preview-writer.js';
import { probe } from './probe.js';

interface Context {
  signal: AbortSignal;
  emit: (event: MakingEvent) => void;
}

type Handlers = {
  [N in CallName]: (takes: Calls[N]['takes'], context: Context) => Promise<Calls[N]['answers']>;
};

const running = new Map<number, AbortController>();
let opened: { key: string; mfm: Mfm; uses: Set<Promise<unknown>> } | null = null;
let turn: Promise<unknown> = Promise.resolve();

/** Works with a pipeline. One at a time is open, so another one is opened when nobody uses it any more. */
async function withPipeline<T>(spec: OpenSpec, work: (mfm: Mfm) => Promise<T>): Promise<T> {
  const key = keyOf(spec);
  const mine = turn.then(async () => {
    const { mfm, uses } = opened?.key === key ? opened : await reopen(spec, key);
    const use = work(mfm).finally(() => uses.delete(use));
    uses.add(use);
    // in an object, as the next one may begin before this one ends
    return { use };
  });
  turn = mine.catch(() => {});
  return (await mine).use;
}

async function reopen(spec: OpenSpec, key: string): Promise<NonNullable<typeof opened>> {
  if (opened) {
    await Promise.allSettled(opened.uses);
    send({ type: 'opened', pipeline: null });
    await opened.mfm.dispose();
    opened = null;
  }
  const { pipeline, device, dtype, depthModel, loras } = spec;
  const mfm = await open(pipeline, { device, dtype, depthModel, loras });
  opened = { key, mfm, uses: new Set() };
  send({ type: 'opened', pipeline });
  return opened;
}

/** Equal for specs that open the same: of LoRAs their files count, whatever they are called. */
function keyOf({ loras, ...rest }: OpenSpec): string {
  const files = loras.map(({ path, scale }) => {
    const folder = dirname(locateLora(path));
    const stats = readdirSync(folder).map((name) => statSync(join(folder, name)));
    return { scale, files: stats.map(({ dev, ino, size, mtimeMs }) => [dev, ino, size, mtimeMs]) };
  });
  return JSON.stringify([rest, files]);
}

function isWhole(lora: string): boolean {
  try {
    openSafetensors(locateLora(lora)).close();
    return true;
  } catch {
    return false;
  }
}

const handlers: Handlers = {
  async newest({ from }) {
    const { newestPipeline } = await import('../../pipeline/find.js');
    const notes: string[] = [];
    const folder = resolve(newestPipeline((note) => notes.push(note), from));
    return { folder, notes: [...notes, `${folder}: using the newest pipeline`] };
  },

  async open({ open: spec }) {
    return withPipeline(spec, async (mfm) => factsOf(mfm));
  },

  async plan({ open: spec, task, options }) {
    return withPipeline(spec, async (mfm) => {
      const notes: string[] = [];
      const onNote = (note: string) => notes.push(inApiWords(note));
      const { cost: _, ...plan } = await mfm.plan(task, { ...options, onNote });
      if (plan.fits) return { plan, notes, refusal: null };
      try {
        await using generation = mfm.generate(task, options);
        await generation.plan();
        return { plan, notes, refusal: null };
      } catch (error) {
        if (error instanceof MemoryError) return { plan, notes, refusal: bodyOf(error) };
        throw error;
      }
    });
  },

  async make(takes, context) {
    return withPipeline(takes.open, (mfm) => make(mfm, takes, context));
  },

  probe,

  async loras({ paths }) {
    return paths.filter(isWhole);
  },

  async recipe({ recipe: given, run }) {
    const { resolveRecipe } = await import('../../train/resolve-recipe.js');
    const { expectTrainable } = await import('../../train/check.js');
    const { recipe } = resolveRecipe(given as RecipeInput, { run });
    expectTrainable(recipe, { weights: false });
    return null;
  },

  async frame({ path, name, index, to }) {
    await callingIt(path, name, () => drawFrame(path, index, to));
    return null;
  },

  async mask({ path, name, to }) {
    await callingIt(path, name, () => drawMask(path, to));
    return null;
  },

  async sheet({ path, sheet, to }) {
    await drawSheet(path, sheet, to);
    return null;
  },
};

/** The least time between two reports of a phase: more are not seen, and take time from the work. */
const REPORT_MS = 100;

/** Tells which progress is reported: the beginning and end of each phase, and some in between. */
function newsOf(): (progress: ProgressEvent) => boolean {
  let last = { ms: Number.NEGATIVE_INFINITY, phase: '' };
  return ({ phase, step, steps, window }) => {
    const now = { ms: performance.now(), phase: `${phase} ${window}` };
    if (now.phase === last.phase && step < steps && now.ms - last.ms < REPORT_MS) return false;
    last = now;
    return true;
  };
}

async function make(
  mfm: Mfm,
  { task, options, path, fps, quality, allPreviews }: Calls['make']['takes'],
  { signal, emit }: Context,
): Promise<MadeFacts> {
  emit({ type: 'opened' });
  const isNews = newsOf();
  const previews = new PreviewWriter(emit);
  await using generation = mfm.generate(task, {
    ...options,
    keepFrames: false,
    signal,
    onNote: (text) => emit({ type: 'note', text: inApiWords(text) }),
    onPreview: (event) => previews.offer(event),
    previewSeconds: allPreviews ? 0 : PAUSE_SECONDS,
    onProgress: (progress) => {
      const { phase, step, steps, window, windows } = progress;
      if (isNews(progress)) emit({ type: 'progress', progress });
      const isLast = phase === 'frames' && step === steps && window + 1 === windows;
      if (isLast) emit({ type: 'saving' });
    },
  });
  const saved = await generation.save(path, { fps, quality });
  await previews.close();
  const { width, height, numFrames, sound, settings } = saved;
  const { fps: rate, tokens } = await generation.plan();
  return {
    width,
    height,
    numFrames,
    fps: rate === null ? null : (fps ?? rate),
    bytes: statSync(path).size,
    sound,
    settings,
    seconds: generation.figures.seconds,
    tokens,
  };
}

async function answer({ id, name, takes }: ToChild & { type: 'call' }): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  const emit = (event: MakingEvent) => send({ type: 'event', id, event });
  try {
    const handler = handlers[name] as (takes: unknown, context: Context) => Promise<unknown>;
    send({
      type: 'answer',
      id,
      value: await handler(takes, { signal: controller.signal, emit }),
    });
  } catch (error) {
    send({ type: 'failed', id, error: bodyOf(error) });
  } finally {
    running.delete(id);
  }
}

function factsOf(mfm: Mfm): ModelFacts {
  const trained = new Set(mfm.tasks.map(({ id }) => id));
  return {
    folder: resolve(mfm.folder),
    device: mfm.device,
    dtype: mfm.dtype,
    tasks: Object.values<Task>(TASKS).map((task) => taskFacts(mfm, task, trained.has(task.id))),
    parts: partsOf(mfm.folder),
  };
}

function taskFacts(mfm: Mfm, task: Task, trained: boolean): TaskFacts {
  const { id, summary, result, inputs, optionalInputs, placed, mask, followsInput } = task;
  const { width, height, numFrames, fps, numInferenceSteps } = mfm.settingsFor(id);
  const { guidanceScale, motionScore, addedPrompt, negativePrompt } = mfm.settingsFor(id);
  const needsPrompt = (!placed && inputs.length === 0) || task.prompt === 'instruction';
  return {
    id,
    summary,
    result,
    trained,
    inputs: [...inputs],
    optionalInputs: [...optionalInputs],
    placed,
    mask,
    followsInput,
    size: task.size,
    keeps: task.keeps,
    prompt: needsPrompt ? 'required' : 'optional',
    promptIs: task.prompt,
    defaults: {
      width,
      height,
      numFrames,
      fps,
      numInferenceSteps,
      guidanceScale,
      motionScore,
      addedPrompt,
      negativePrompt,
    },
  };
}

/** The parts of a pipeline's folder, by its model_index.json, and the size of their weights. */
function partsOf(folder: string): ModelFacts['parts'] {
  const index = readJsonObject(join(folder, 'model_index.json'));
  return Object.entries(index).flatMap(([name, value]) => {
    if (!Array.isArray(value) || typeof value[1] !== 'string') return [];
    return [{ name, bytes: bytesIn(join(folder, name)) }];
  });
}

function bytesIn(folder: string): number {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (!found?.isDirectory()) return 0;
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

const send = (message: FromChild): void => {
  if (process.connected) process.send!(message);
};

process.on('message', (message: ToChild) => {
  if (message.type === 'call') void answer(message);
  else running.get(message.id)?.abort();
});
process.on('disconnect', () => process.exit(0));
// the terminal's Ctrl-C reaches children too; the server decides when this one ends
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
