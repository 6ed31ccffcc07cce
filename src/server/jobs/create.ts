/** Makes a job of a request: checks it, gathers its inputs, and lets the library look at them. */
import { createHash, randomInt } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { LAST_SEED, parseSeed } from '../../seed.js';
import { taskOfLength } from '../../tasks/task.js';
import type { EngineChild } from '../engine/child.js';
import type { OpenSpec, PlainOptions, PlanFacts, TaskFacts } from '../engine/messages.js';
import { badRequest, HttpError, ToldError } from '../errors.js';
import type { Loras } from '../loras.js';
import type { Model, Models } from '../models.js';
import type { ErrorBody } from '../schemas/error.js';
import type { LoraInput, Media } from '../schemas/media.js';
import type { VideoRequest } from '../schemas/request.js';
import { newId } from '../store/shelf.js';
import { errorInFields, type InputParts, inFields, JobInputs } from './inputs.js';
import type { JobRecord } from './job.js';
import { atMost, each, LibraryOptions } from './library-options.js';
import type { Queue } from './queue.js';

export interface CreateParts extends InputParts {
  models: Models;
  queue: Queue;
  checker: EngineChild;
  /** memory that the engine holds already, which the next job can use */
  engineBytes: () => number;
  limits: { maxPixels: number; maxFrames: number };
  /** jobs of which somebody wants to see every step */
  watched: Set<string>;
  loras: Loras;
}

export interface CreateOptions {
  remixedFrom?: string;
  idempotency?: { key: string; hash: string };
  /** somebody wants to see every step */
  watched?: boolean;
}

/** A request that is ready to be planned or queued. */
interface Ready {
  id: string;
  model: Model;
  /** as it makes a result of this length */
  task: TaskFacts;
  request: VideoRequest;
  options: PlainOptions;
  loras: OpenSpec['loras'];
}

/** Queues a job. @throws HttpError with the library's sentence if it cannot be made as it is */
export async function createJob(
  parts: CreateParts,
  body: VideoRequest,
  { remixedFrom, idempotency, watched }: CreateOptions = {},
): Promise<JobRecord> {
  parts.queue.expectRoom();
  const id = newId('video');
  const inputs = new JobInputs(parts, parts.jobs.folderOf(id));
  try {
    const ready = await prepare(parts, id, body, inputs);
    const { plan, notes } = await planOf(parts, ready);
    const job = recordOf(ready, plan, { remixedFrom, idempotency });
    job.notes = notes;
    if (watched) parts.watched.add(id);
    await parts.queue.add(job);
    return job;
  } catch (error) {
    if (!parts.jobs.get(id)) {
      await rm(parts.jobs.folderOf(id), { recursive: true, force: true });
      await inputs.forget();
    }
    throw error;
  }
}

/** What a request would cost, without a job. */
export async function planRequest(
  parts: CreateParts,
  body: VideoRequest,
): Promise<PlanFacts & { task: TaskFacts; model: Model }> {
  const id = newId('video');
  const inputs = new JobInputs(parts, parts.jobs.folderOf(id));
  try {
    const ready = await prepare(parts, id, body, inputs);
    return { ...(await planOf(parts, ready)), task: ready.task, model: ready.model };
  } finally {
    await inputs.forget();
    await rm(parts.jobs.folderOf(id), { recursive: true, force: true });
  }
}

/** Equal for bodies that ask for the same. */
export const hashOf = (body: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(sorted(body)))
    .digest('hex');

async function prepare(
  parts: CreateParts,
  id: string,
  body: VideoRequest,
  inputs: JobInputs,
): Promise<Ready> {
  const model = parts.models.get(body.model);
  const request: VideoRequest = { ...body, model: model.id, seed: seedOf(body.seed) };
  const given = [body.input_reference, ...(body.inputs ?? [])].filter((one) => one !== undefined);
  delete request.input_reference;
  if (given.length > 0) request.inputs = await each(given, (one) => inputs.kept(one, 'inputs'));
  const task = parts.models.task(model, body.task ?? defaultTask(parts, request.inputs));
  request.task = task.id;
  const options = await new LibraryOptions(parts.limits, inputs, request).all();
  const loras = await lorasOf(parts, inputs, request.lora);
  const ready = { id, model, task, request, options, loras };
  const numFrames = await framesOf(parts, ready);
  const made = taskOfLength(task, numFrames);
  expectPossible(made, request);
  if (numFrames !== undefined) options.numFrames = numFrames;
  return { ...ready, task: made };
}

/** The frames that are asked for; `seconds` count at the rate that the library gives the result. */
async function framesOf(parts: CreateParts, ready: Ready): Promise<number | undefined> {
  const { task, request } = ready;
  const { num_frames, seconds, fps } = request;
  if (num_frames !== undefined || seconds === undefined || task.result === 'image') {
    return num_frames;
  }
  const rate = fps ?? (await askPlan(parts, ready)).plan.fps ?? task.defaults.fps;
  return atMost(parts.limits.maxFrames, Math.max(1, Math.round(Number(seconds) * rate)));
}

/** Without a task: t2v, or i2v with an uploaded picture. @throws HttpError with other inputs */
function defaultTask({ files }: CreateParts, inputs: readonly Media[] = []): string {
  if (inputs.length === 0) return 't2v';
  const [first] = inputs;
  const id = typeof first === 'string' ? first : first && 'file_id' in first ? first.file_id : null;
  const file = id === null ? undefined : files.shelf.get(id);
  if (inputs.length === 1 && file?.kind === 'image') return 'i2v';
  throw badRequest(
    'task: is missing, and the inputs do not say what is to be made; name one of GET /v1/tasks',
    'task',
  );
}

/** What the server knows better than the library, which ignores these. */
function expectPossible(task: TaskFacts, request: VideoRequest): void {
  const still = ['fps', 'seconds'] as const;
  const wrong = task.result === 'image' && still.find((name) => request[name] !== undefined);
  if (wrong) throw badRequest(`${wrong}: ${task.id} makes a picture; leave it out`, wrong);
  if (request.num_frames !== undefined && request.seconds !== undefined) {
    throw badRequest(
      'seconds: num_frames says how long the clip is, too; leave one of them out',
      'seconds',
    );
  }
  const { output_format: format, output_compression: compression } = request;
  const ofClip = format === 'mp4' || format === 'webm' || format === 'gif';
  const makesClip = task.result === 'video';
  if (format !== undefined && ofClip !== makesClip) {
    throw badRequest(
      `output_format: ${task.id} makes a ${makesClip ? 'clip' : 'picture'}, which ${format} is not; name ${makesClip ? 'mp4, webm or gif' : 'png, jpeg or webp'}`,
      'output_format',
    );
  }
  if (compression !== undefined && format !== 'jpeg' && format !== 'webp') {
    const result = makesClip ? 'a clip' : 'a png';
    throw badRequest(
      `output_compression: ${result} has none; ${makesClip ? 'leave it out' : 'leave it out, or name jpeg or webp as output_format'}`,
      'output_compression',
    );
  }
}

/** In decimal, as it is kept; a random one if none is given. */
function seedOf(seed: VideoRequest['seed']): string {
  if (seed === undefined || seed === null) return String(randomInt(2 ** 31));
  if (BigInt(seed) <= LAST_SEED) return String(BigInt(seed));
  throw badRequest(`seed: must be at most ${LAST_SEED}, got ${seed}`, 'seed');
}

async function lorasOf(
  { loras }: CreateParts,
  inputs: JobInputs,
  asked: VideoRequest['lora'],
): Promise<OpenSpec['loras']> {
  const list: LoraInput[] = asked === undefined ? [] : Array.isArray(asked) ? asked : [asked];
  return each(list, async ({ id, scale }) => ({
    path: await inputs.placeLora(loras.find(id)),
    scale,
  }));
}

/** What the library says of it. @throws HttpError with its sentence if it refuses */
async function askPlan(parts: CreateParts, ready: Ready): Promise<PlanFacts> {
  const { model, task, options, loras, request } = ready;
  try {
    return await parts.checker.call('plan', {
      open: parts.models.openOf(model.id, loras),
      task: task.id,
      options: { ...options, seed: parseSeed(String(request.seed))! },
    });
  } catch (error) {
    if (!(error instanceof ToldError)) throw error;
    throw refusedBy(errorInFields(error.body, ready));
  }
}

async function planOf(parts: CreateParts, ready: Ready): Promise<PlanFacts> {
  const answer = await askPlan(parts, ready);
  const { plan } = answer;
  const found = {
    ...answer,
    notes: answer.notes.map((note) => inFields(note)),
    refusal: answer.refusal && errorInFields(answer.refusal, ready),
  };
  const { maxPixels, maxFrames } = parts.limits;
  if (plan.width * plan.height > maxPixels) {
    throw badRequest(
      `size: the result would have ${plan.width}x${plan.height} pixels, and at most ${maxPixels} are made here; ask for a smaller one`,
      'size',
    );
  }
  if ((plan.numFrames ?? 0) > maxFrames) {
    throw badRequest(
      `num_frames: the result would have ${plan.numFrames} frames, and at most ${maxFrames} are made here; ask for fewer`,
      'num_frames',
    );
  }
  // what the engine holds already is not taken a second time
  const available = plan.availableBytes + parts.engineBytes();
  if (!plan.fits && plan.peakBytes <= available) {
    return { ...found, plan: { ...plan, availableBytes: available, fits: true }, refusal: null };
  }
  return { ...found, plan: { ...plan, availableBytes: available } };
}

/** What the library refuses is the request's fault. */
function refusedBy(body: ErrorBody): HttpError {
  const isInput = body.type === 'invalid_request_error';
  const error = new HttpError(isInput ? 400 : 500, body.code, body.message);
  Object.assign(error.body, { ...body, type: error.body.type });
  return error;
}

function recordOf(
  { id, model, task, request, options, loras }: Ready,
  plan: PlanFacts['plan'],
  { remixedFrom, idempotency }: CreateOptions,
): JobRecord {
  const { result } = task;
  const ending = request.output_format ?? (result === 'image' ? 'png' : 'mp4');
  return {
    id,
    createdMs: Date.now(),
    status: 'queued',
    startedMs: null,
    endedMs: null,
    model: model.id,
    task: task.id,
    result,
    seed: String(request.seed),
    request,
    options,
    loras,
    fps: request.fps ?? null,
    file: `result.${ending === 'jpeg' ? 'jpg' : ending}`,
    remixedFrom: remixedFrom ?? null,
    attempts: 0,
    notes: [],
    error: null,
    idempotency: idempotency ?? null,
    shape: {
      width: plan.width,
      height: plan.height,
      numFrames: result === 'image' ? 1 : plan.numFrames,
      fps: result === 'image' ? null : (request.fps ?? plan.fps),
    },
    plannedSeconds: plan.seconds,
    bytes: null,
    inferenceSeconds: null,
    tokens: null,
  };
}

/** Objects with their keys in order, so that equal ones are written equally. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}
