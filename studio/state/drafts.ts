/** What a person is putting together, for each task, and the plan of what they would get. */
import { effect, signal } from '@preact/signals';
import * as api from '../api/client.js';
import type { ApiProblem, Job, Plan, Task } from '../api/types.js';
import {
  type Draft,
  emptyDraft,
  type Media,
  missing,
  requestOf,
  requestsOf,
} from '../logic/draft.js';
import { marginsWithin } from '../logic/given-media.js';
import { fieldTexts, inputsOf, lorasOf, maskOf, othersOf, sourceOf } from '../logic/recall.js';
import { connected } from './connection.js';
import { add } from './jobs.js';
import { keepMasks, maskOfGiven, uploadMasks } from './mask-file.js';
import { mediaOfSource } from './media.js';
import { attempt, say } from './messages.js';
import { partsOf } from './parts.js';
import { route } from './route.js';
import { taskOf } from './server.js';

const drafts = signal<ReadonlyMap<string, Draft>>(new Map());

export const draftOf = (task: Task): Draft => drafts.value.get(task.id) ?? emptyDraft(task);

/** @param changes  what is set, or how it follows from the draft as it is now */
export function change(
  task: Task,
  changes: Partial<Draft> | ((draft: Draft) => Partial<Draft>),
): void {
  const before = draftOf(task);
  const draft = { ...before, ...(typeof changes === 'function' ? changes(before) : changes) };
  drafts.value = new Map(drafts.value).set(task.id, draft);
}

export function setField(task: Task, name: string, text: string): void {
  change(task, { fields: { ...draftOf(task).fields, [name]: text } });
}

export type Planned =
  | { state: 'missing'; sentence: string }
  | { state: 'asking' }
  | { state: 'planned'; plan: Plan }
  | { state: 'refused'; problem: ApiProblem };

export const planned = signal<Planned>({ state: 'asking' });

/** The jobs that were begun here, newest first, for each task. */
export const begun = signal<ReadonlyMap<string, readonly string[]>>(new Map());

/** Whether a task's page shows what is given, or what became of it. */
export type View = 'input' | 'result';
export const views = signal<ReadonlyMap<string, View>>(new Map());

export function show(task: string, view: View): void {
  views.value = new Map(views.value).set(task, view);
}

/** Wait after the last change before the server is asked for a plan, in ms. */
const CALM = 350;

/** The task that `planned` is about. */
let plannedTask = '';

effect(() => {
  const { page, id } = route.value;
  const task = page === 'make' && id ? taskOf(id) : undefined;
  if (!task) return;
  const draft = draftOf(task);
  const lacking = missing(draft, task);
  if (lacking) {
    planned.value = { state: 'missing', sentence: lacking };
    return;
  }
  if (!connected.value) {
    planned.value = { state: 'missing', sentence: 'Waiting for the server…' };
    return;
  }
  // a plan that changes stays until the next one is asked for, so that it does not flicker
  const isOld = task.id === plannedTask && planned.peek().state !== 'missing';
  if (!isOld) planned.value = { state: 'asking' };
  plannedTask = task.id;
  const asked = new AbortController();
  const timer = setTimeout(() => void ask(draft, task, asked.signal), CALM);
  return () => {
    clearTimeout(timer);
    asked.abort();
  };
});

async function ask(draft: Draft, task: Task, signal: AbortSignal): Promise<void> {
  planned.value = { state: 'asking' };
  try {
    const body = requestOf(draft, task, await uploadMasks(draft, task, () => draftOf(task)));
    const plan = await api.plan(body, signal);
    planned.value = plan.refusal
      ? { state: 'refused', problem: plan.refusal }
      : { state: 'planned', plan };
  } catch (cause) {
    if (signal.aborted) return;
    if (!(cause instanceof api.ApiError)) throw cause;
    planned.value = { state: 'refused', problem: cause.problem };
  }
}

/** Sends the request, as often as the draft asks for. */
export async function submit(task: Task): Promise<void> {
  const draft = draftOf(task);
  const made: Job[] = [];
  await attempt(async () => {
    const masks = await uploadMasks(draft, task, () => draftOf(task));
    keepMasks(masks);
    const body = requestOf(draft, task, masks);
    for (const [place, request] of requestsOf(body, draft.count).entries()) {
      const job = await createOnce(request, place);
      made.push(job);
      add([job]);
    }
  });
  if (made.length === 0) return;
  remember(task.id, made);
  if (made.length > 1)
    say(`${made.length} results are queued. You may close this page; they will be made.`);
}

/** Keys of requests that were sent, and whose answers did not arrive. */
const unanswered = new Map<string, string>();

/** If the same is sent once more after the connection broke, the server makes no second job of it. */
async function createOnce(request: api.Body, place: number): Promise<Job> {
  const what = JSON.stringify([place, request]);
  const key = unanswered.get(what) ?? newKey();
  unanswered.set(what, key);
  try {
    const job = await api.create(request, key);
    unanswered.delete(what);
    return job;
  } catch (cause) {
    if (cause instanceof api.ApiError && cause.status !== 0) unanswered.delete(what);
    throw cause;
  }
}

export const emptyInputs = (task: Task): Draft['inputs'] => emptyDraft(task).inputs;

/** Puts everything that a result was made of back, to be changed. */
export async function recall(task: Task, job: Job): Promise<void> {
  const { request } = job;
  const inputs = await Promise.all(inputsOf(request).map(mediaOfSource));
  const parts = task.placed ? await partsOf(job) : null;
  const wanted = emptyInputs(task).map((_, i) => inputs[i] ?? null);
  const first = wanted[0] ?? null;
  const { painted, kept } = await maskAgain(task, request, first);
  const isMaskGone = maskOf(request) && !painted && !kept;
  if (inputs.includes(null) || parts?.isGone || isMaskGone)
    say('Some of what it was made of is no longer on the server; give it again.');
  const reference = sourceOf(request.reference);
  const [lora = null, ...moreLoras] = lorasOf(request);
  const draft: Draft = {
    ...emptyDraft(task),
    prompt: job.prompt,
    fields: fieldTexts(task, request),
    inputs: wanted,
    mask: painted,
    reference: reference && (await mediaOfSource(reference)),
    estimateDepth: request.depth_from !== undefined,
    lora,
    moreLoras,
    // the depth of a mixture lies on its time line
    given: first && { input: first, mask: kept, depth: task.placed ? null : request.depth },
    others: othersOf(task, request),
    model: job.model,
    ...parts?.placed,
  };
  // the form asks for frames instead
  if (request.seconds !== undefined && !draft.fields.num_frames && job.num_frames !== null)
    draft.fields = { ...draft.fields, num_frames: String(job.num_frames) };
  if (task.mask === 'margins' && first) draft.margins = marginsWithin(request.expand, first);
  drafts.value = new Map(drafts.value).set(task.id, draft);
  show(task.id, 'input');
}

/** The mask of a request: painted, or as it was given where nothing can be painted. */
async function maskAgain(task: Task, request: Job['request'], input: Media | null) {
  const given = maskOf(request);
  if (!given || !input) return { painted: null, kept: null };
  return task.mask === 'hole' ? maskOfGiven(given, input) : { painted: null, kept: given };
}

/** Notes that jobs were begun for a task, so that its page shows them. */
export function remember(task: string, made: readonly Job[]): void {
  const ids = [...made.map(({ id }) => id), ...(begun.value.get(task) ?? [])];
  begun.value = new Map(begun.value).set(task, ids);
  show(task, 'result');
}

/** crypto.randomUUID exists on secure pages only, and this may be one of a local network. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
