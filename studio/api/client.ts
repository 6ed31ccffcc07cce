/** Every request that the studio makes. */
import { eventParser } from '../logic/sse.js';
import type {
  ApiProblem,
  FineTuningJob,
  Health,
  Job,
  Model,
  Plan,
  Queue,
  Run,
  RunDetails,
  RunMetrics,
  StudioEvent,
  Task,
  Upload,
} from './types.js';

/** A refusal by the server, in its own words. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: ApiProblem,
  ) {
    super(problem.message);
  }
}

interface List<T> {
  data: readonly T[];
  has_more?: boolean;
  last_id?: string | null;
}

export type Body = Readonly<Record<string, unknown>>;

export const health = () => get<Health>('health');
export const models = async () => (await get<List<Model>>('v1/models')).data;
export const tasks = async () => (await get<List<Task>>('v1/tasks')).data;

export const signIn = (apiKey: string) => send<void>('POST', 'v1/session', { api_key: apiKey });

export const plan = (body: Body, signal: AbortSignal) =>
  send<Plan>('POST', 'v1/plan', body, { signal });

/** @param key   makes sending the same request again harmless */
export const create = (body: Body, key: string) =>
  send<Job>('POST', 'v1/videos', body, { headers: { 'idempotency-key': key } });
export const job = (id: string) => get<Job>(`v1/videos/${id}`);
export const jobs = (query: Readonly<Record<string, string>>) =>
  get<List<Job>>(`v1/videos?${new URLSearchParams(query)}`);
export const remix = (id: string, changes: Body) =>
  send<Job>('POST', `v1/videos/${id}/remix`, changes);
export const cancel = (id: string) => send<Job>('POST', `v1/videos/${id}/cancel`);
export const remove = (id: string) => send<void>('DELETE', `v1/videos/${id}`);
export const settings = (id: string) => get<Body>(`v1/videos/${id}/content?variant=settings`);

export const queue = () => get<Queue>('v1/queue');
export const pauseQueue = () => send<Queue>('POST', 'v1/queue/pause');
export const resumeQueue = () => send<Queue>('POST', 'v1/queue/resume');
export const reorderQueue = (ids: readonly string[]) =>
  send<Queue>('POST', 'v1/queue/reorder', { ids });

export const file = (id: string) => get<Upload>(`v1/files/${id}`);
export const removeFile = (id: string) => send<void>('DELETE', `v1/files/${id}`);

export function upload(content: Blob, name: string, purpose = 'user_data'): Promise<Upload> {
  const form = new FormData();
  // text fields come first, so that the server knows them when the file begins
  form.append('purpose', purpose);
  form.append('file', content, name);
  return request<Upload>('POST', 'v1/files', { body: form });
}

export const fineTunings = async () => (await get<List<FineTuningJob>>('v1/fine_tuning/jobs')).data;
export const fineTune = (body: Body) => send<FineTuningJob>('POST', 'v1/fine_tuning/jobs', body);
export const steerFineTuning = (id: string, way: 'cancel' | 'pause' | 'resume') =>
  send<FineTuningJob>('POST', `v1/fine_tuning/jobs/${id}/${way}`);
export const dataFolders = async () =>
  (await get<List<{ name: string; files: number }>>('v1/data')).data;
export const runs = async () => (await get<List<Run>>('v1/runs')).data;
export const run = (name: string) => get<RunDetails>(`v1/runs/${encodeURIComponent(name)}`);
export const runMetrics = (name: string) =>
  get<RunMetrics>(`v1/runs/${encodeURIComponent(name)}/metrics?max_points=400`);

/** Addresses of what the browser shows by itself. */
export const urls = {
  result: (id: string) => `v1/videos/${id}/content`,
  variant: (id: string, variant: 'thumbnail' | 'spritesheet' | 'preview' | 'settings') =>
    `v1/videos/${id}/content?variant=${variant}`,
  file: (id: string) => `v1/files/${id}/content`,
  fileFrame: (id: string, frame: number) => `v1/files/${id}/content?frame=${frame}`,
  sample: (runName: string, path: string) =>
    `v1/runs/${encodeURIComponent(runName)}/samples/${encodeURIComponent(path.split('/').at(-1)!)}`,
};

/** Wait before connecting again, in ms; it doubles up to the second value. */
const PAUSES = [500, 8000] as const;

export interface EventListener {
  onEvent(event: StudioEvent): void;
  /** whether the stream is open */
  onState(connected: boolean): void;
}

/** Follows the events of all jobs; after a break it goes on where it stopped. Ends with the signal. */
export async function follow(
  { onEvent, onState }: EventListener,
  signal: AbortSignal,
): Promise<void> {
  let lastId: string | null = null;
  let pause: number = PAUSES[0];
  while (!signal.aborted) {
    try {
      const headers: Record<string, string> = { accept: 'text/event-stream' };
      if (lastId !== null) headers['last-event-id'] = lastId;
      const response = await fetch('v1/events', { headers, signal });
      if (!response.ok) throw await problemOf(response);
      onState(true);
      // without an id the server does not know what was missed
      if (lastId === null) onEvent({ type: 'resync' });
      pause = PAUSES[0];
      const parser = eventParser();
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        for (const { id, data } of parser.push(piece.value)) {
          onEvent(JSON.parse(data));
          lastId = id;
        }
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (!(cause instanceof ApiError) && !(cause instanceof TypeError)) console.error(cause);
    }
    onState(false);
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, PAUSES[1]);
  }
}

const get = <T>(path: string) => request<T>('GET', path, {});

function send<T>(method: string, path: string, body?: Body, more: RequestInit = {}): Promise<T> {
  if (body === undefined) return request<T>(method, path, more);
  const headers = {
    ...(more.headers as Record<string, string>),
    'content-type': 'application/json',
  };
  return request<T>(method, path, { ...more, headers, body: JSON.stringify(body) });
}

async function request<T>(method: string, path: string, init: RequestInit): Promise<T> {
  const response = await fetch(path, { ...init, method }).catch((cause: unknown) => {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, {
      type: 'connection_error',
      code: 'no_connection',
      message: 'The server does not answer; start it again with `mfm serve`.',
      param: null,
      hint: null,
    });
  });
  if (!response.ok) throw await problemOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    return new ApiError(response.status, JSON.parse(text).error);
  } catch {
    const message = `The server answered ${response.status}: ${text.slice(0, 200)}`;
    return new ApiError(response.status, {
      type: 'server_error',
      code: 'unreadable',
      message,
      param: null,
      hint: null,
    });
  }
}
