/**
 * The child process that computes: it opens a pipeline by the library, and answers calls. It ends with
 * the server, whatever ends that.
 */
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MemoryError } from '../../errors.js';
import { readJsonObject } from '../../files/read-json.js';
import { type Mfm, open, TASKS, type Task } from '../../index.js';
import type { RecipeInput } from '../../train/recipe/config.js';
import { bodyOf, inApiWords } from '../errors.js';
import { drawFrame, drawMask, drawSheet } from './draw.js';
import type {
  CallName,
  Calls,
  FromChild,
  MakingEvent,
  ModelFacts,
  OpenSpec,
  TaskFacts,
  ToChild,
} from './messages.js';
import { PAUSE_MS, PreviewWriter } from './preview-writer.js';
import { probe } from './probe.js';

interface Context {
  signal: AbortSignal;
  emit: (event: MakingEvent) => void;
}

type Handlers = {
  [N in CallName]: (takes: Calls[N]['takes'], context: Context) => Promise<Calls[N]['answers']>;
};

const running = new Map<number, AbortController>();
let opened: { key: string; mfm: Mfm } | null = null;
let opening: Promise<unknown> = Promise.resolve();

/** The pipeline that a call needs; one at a time is open. */
async function use(spec: OpenSpec): Promise<Mfm> {
  const key = JSON.stringify(spec);
  const mine = opening.then(async () => {
    if (opened?.key === key) return opened.mfm;
    await opened?.mfm.dispose();
    opened = null;
    const { pipeline, device, dtype, depthModel, loras } = spec;
    opened = { key, mfm: await open(pipeline, { device, dtype, depthModel, loras }) };
    return opened.mfm;
  });
  opening = mine.catch(() => {});
  return mine;
}

const handlers: Handlers = {
  async newest({ from }) {
    const { newestPipeline } = await import('../../pipeline/find.js');
    const notes: string[] = [];
    const folder = resolve(newestPipeline((note) => notes.push(note), from));
    return { folder, notes: [...notes, `${folder}: using the newest pipeline`] };
  },

  async open({ open: spec }) {
    const mfm = await use(spec);
    return factsOf(mfm);
  },

  async plan({ open: spec, task, options }) {
    const mfm = await use(spec);
    const notes: string[] = [];
    const onNote = (note: string) => notes.push(inApiWords(note));
    const { cost: _, ...plan } = await mfm.plan(task, { ...options, onNote });
    if (plan.fits !== false) return { plan, notes, refusal: null };
    try {
      await using generation = mfm.generate(task, options);
      await generation.plan();
      return { plan, notes, refusal: null };
    } catch (error) {
      if (error instanceof MemoryError) return { plan, notes, refusal: bodyOf(error) };
      throw error;
    }
  },

  async make({ open: spec, task, options, path, fps, allPreviews }, { signal, emit }) {
    const mfm = await use(spec);
    emit({ type: 'opened' });
    const previews = new PreviewWriter(emit, { pauseMs: allPreviews ? 0 : PAUSE_MS });
    let saving = false;
    let rate: number | null = null;
    await using generation = mfm.generate(task, {
      ...options,
      keepFrames: false,
      signal,
      onPlan: (plan) => {
        rate = plan.fps;
      },
      onNote: (text) => emit({ type: 'note', text: inApiWords(text) }),
      onPreview: (event) => previews.offer(event),
      onProgress: (progress) => {
        emit({ type: 'progress', progress });
        const { phase, step, steps, window, windows } = progress;
        saving = phase === 'frames' && step === steps && window + 1 === windows;
        if (saving) emit({ type: 'saving' });
      },
    });
    const saved = await generation.save(path, { fps });
    await previews.close();
    const { width, height, numFrames, settings } = saved;
    return {
      width,
      height,
      numFrames,
      fps: rate === null ? null : (fps ?? rate),
      bytes: statSync(path).size,
      settings,
      seconds: generation.figures.seconds,
    };
  },

  probe,

  async recipe({ recipe: given, run }) {
    const { resolveRecipe } = await import('../../train/resolve-recipe.js');
    const { expectTrainable } = await import('../../train/check.js');
    const { recipe } = resolveRecipe(given as RecipeInput, { run });
    expectTrainable(recipe, { weights: false });
    return null;
  },

  async frame({ path, index, to }) {
    await drawFrame(path, index, to);
    return null;
  },

  async mask({ path, to }) {
    await drawMask(path, to);
    return null;
  },

  async sheet({ path, sheet, to }) {
    await drawSheet(path, sheet, to);
    return null;
  },
};

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
