/** Every request that the studio makes. */
import type {
  ApiProblem,
  DataFolders,
  FineTuningJob,
  FineTuningJobs,
  Health,
  Job,
  Jobs,
  Loras,
  Models,
  Plan,
  Queue,
  RunDetails,
  RunMetrics,
  Runs,
  Tasks,
  Upload,
} from './types.js';

/** A refusal by the server, in its own words. */
export class ApiError extends Error {
  /** @param status  0: there was no answer */
  constructor(
    readonly status: number,
    readonly problem: ApiProblem,
  ) {
    super(problem.message);
  }
}

export type Body = Readonly<Record<string, unknown>>;

export const health = () => get<Health>('health');
export const models = async () => (await get<Models>('v1/models')).data;
export const tasks = async () => (await get<Tasks>('v1/tasks')).data;

export const signIn = (apiKey: string) => send<void>('POST', 'v1/session', { api_key: apiKey });

export const plan = (body: Body, signal: AbortSignal) =>
  send<Plan>('POST', 'v1/plan', body, { signal });

/** @param key   makes sending the same request again harmless */
export const create = (body: Body, key: string) =>
  send<Job>('POST', 'v1/videos', body, { headers: { 'idempotency-key': key } });
export const job = (id: string) => get<Job>(`v1/videos/${id}`);
export const jobs = (query: Readonly<Record<string, string>>) =>
  get<Jobs>(`v1/videos?${new URLSearchParams(query)}`);
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

/** All of them, the newest first. */
export async function fineTunings(): Promise<readonly FineTuningJob[]> {
  const all: FineTuningJob[] = [];
  let page: FineTuningJobs | null = null;
  do {
    const after: string = page ? `&after=${page.last_id}` : '';
    page = await get<FineTuningJobs>(`v1/fine_tuning/jobs?limit=100${after}`);
    all.push(...page.data);
  } while (page.has_more);
  return all;
}
export const fineTune = (body: Body) => send<FineTuningJob>('POST', 'v1/fine_tuning/jobs', body);
export const steerFineTuning = (id: string, way: 'cancel' | 'pause' | 'resume') =>
  send<FineTuningJob>('POST', `v1/fine_tuning/jobs/${id}/${way}`);
export const loras = async () => (await get<Loras>('v1/loras')).data;
export const dataFolders = async () => (await get<DataFolders>('v1/data')).data;
export const runs = async () => (await get<Runs>('v1/runs')).data;
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
  try {
    const response = await fetch(path, { ...init, method });
    if (!response.ok) throw await problemOf(response);
    return (response.status === 204 ? undefined : await response.json()) as T;
  } catch (cause) {
    if (cause instanceof ApiError || init.signal?.aborted) throw cause;
    throw new ApiError(0, problem('no_connection', NO_ANSWER));
  }
}

const NO_ANSWER = 'The server does not answer; start it again with `mfm serve`.';

/** What the server refused. */
export async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text();
  try {
    return new ApiError(response.status, JSON.parse(text).error);
  } catch {
    // something else has answered, such as a proxy, and not for people
    const sentence = `The server's answer cannot be read (status ${response.status}); try again, or ask who runs it.`;
    return new ApiError(response.status, problem('unreadable', sentence));
  }
}

const problem = (code: string, message: string): ApiProblem => ({
  type: 'server_error',
  code,
  message,
  param: null,
  hint: null,
});
