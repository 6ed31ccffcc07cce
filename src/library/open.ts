/** Opens a pipeline for use. */
import { AbortError, InputError } from '../errors.js';
import { fileSha256 } from '../files/file-hash.js';
import { locateLora } from '../nn/index.js';
import { Planner } from '../pipeline/cost/planner.js';
import { openRelativeDepth } from '../pipeline/depth-model.js';
import { chooseDevice } from '../pipeline/device.js';
import { resolvePipeline } from '../pipeline/find.js';
import { depthFolderOf, openPipeline } from '../pipeline/index.js';
import { readShape } from '../pipeline/shape.js';
import { Engine, type LoraRecord } from './engine.js';
import { Mfm } from './mfm.js';

/** The dtype that networks compute in. */
export type OpenDType = 'auto' | 'float32' | 'bfloat16' | 'float16';

/**
 * Options for opening a pipeline.
 *
 * ```ts
 * const options: OpenOptions = { dtype: 'float32', loras: ['style.safetensors'] };
 * ```
 */
export interface OpenOptions {
  /** where networks compute: cpu, cuda, cuda:N, mps; default: auto, a GPU if LibTorch can use one */
  device?: string;
  /** default: auto, the fastest suitable dtype of the device; float16 works on a GPU only */
  dtype?: OpenDType;
  /**
   * folder or ORG/NAME of a Depth Anything model, or of a pipeline that has one, for tasks that use depth;
   * null: none; default: the pipeline's, if it has one
   */
  depthModel?: string | null;
  /** LoRAs to add to the transformer's weights, in this order; `scale`: strength, 1 is full */
  loras?: readonly (string | { path: string; scale?: number })[];
  /** keep only one network in memory at a time; default: if all together would take much of it */
  oneAtATime?: boolean;
  /** aborts the opening */
  signal?: AbortSignal;
  /** receives a sentence about the chosen device, and about weights that take long to get ready */
  onNote?: (sentence: string) => void;
}

/** The user is told about a part whose weights take longer than this. */
const SLOW_SECONDS = 2;

/**
 * Opens a pipeline: a folder, or ORG/NAME that `mfm pull` or Python downloaded. Weights are mapped
 * from files, and take memory once they are used.
 *
 * ```ts
 * await using mfm = await open('models/mfm-mini');
 * await mfm.generate('t2i', { prompt: 'a red cube' }).save('cube.png');
 * ```
 *
 * @throws InputError naming what is missing, damaged or does not fit; AbortError if `signal` aborts
 */
export async function open(pipeline: string, options: OpenOptions = {}): Promise<Mfm> {
  const { dtype = 'auto', depthModel, oneAtATime, signal, onNote = () => {} } = options;
  expectNotAborted(signal, pipeline);
  if (typeof pipeline !== 'string' || pipeline === '') {
    throw new InputError('open: `pipeline` must be a folder, or ORG/NAME that was downloaded', {
      field: 'pipeline',
    });
  }
  const folder = resolvePipeline(pipeline);
  const loras = recordsOf(options.loras ?? []);
  const device = chooseDevice(options.device, dtype, onNote);
  const opened = openPipeline(folder, {
    dtype,
    device,
    loras,
    oneAtATime,
    onPartReady: (part, { stored, seconds }) => {
      if (seconds < SLOW_SECONDS) return;
      onNote(`${part}: its ${stored} weights took ${seconds.toFixed(1)} s to get ready`);
    },
  });
  try {
    const depthFolder = depthModel === undefined ? depthFolderOf(folder) : depthModel;
    const engine = new Engine({
      pipeline: opened,
      planner: new Planner(readShape(folder), opened),
      depthModel: depthFolder ? openRelativeDepth(depthFolder, { dtype, device }) : null,
      folder,
      asked: { dtype, device: options.device, depthModel: depthModel ?? undefined },
      loras,
    });
    expectNotAborted(signal, pipeline);
    return new Mfm(engine);
  } catch (error) {
    opened.dispose();
    throw error;
  }
}

function expectNotAborted(signal: AbortSignal | undefined, pipeline: string): void {
  if (!signal?.aborted) return;
  throw new AbortError(`${pipeline}: opening it was aborted by its signal`, {
    cause: signal.reason,
  });
}

const recordsOf = (loras: NonNullable<OpenOptions['loras']>): LoraRecord[] =>
  loras.map((lora) => {
    const { path, scale = 1 } = typeof lora === 'string' ? { path: lora } : lora;
    return { path, scale, sha256: fileSha256(locateLora(path)) };
  });
