/** A server on a free port, for tests, and what clients do with it. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { type Listening, type ListenOptions, listen } from '../../src/server/index.js';
import { EventData } from '../../src/server/schemas/event.js';
import type { VideoJob } from '../../src/server/schemas/job.js';
import { smallMini } from '../small-mini.js';
import { temporaryFolder } from '../temp-folder.js';
import { until } from '../until.js';

export const MODEL = smallMini(temporaryFolder());
/** Few steps: what is made is the same kind of thing. */
export const FEW = { num_inference_steps: 2, seed: 7 };

/** How to wait for what a server makes. */
export const SLOW = { everyMs: 20, seconds: 600 };

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at by what tests expect of them
export type Json = Record<string, any>;

export interface Answer<T = Json> {
  status: number;
  headers: Headers;
  body: T;
}

export interface Client {
  url: string;
  get<T = Json>(path: string, headers?: Record<string, string>): Promise<Answer<T>>;
  post<T = Json>(
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>;
  remove(path: string): Promise<Answer>;
  bytes(
    path: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; headers: Headers; bytes: Buffer }>;
  upload(bytes: Uint8Array, filename: string): Promise<Answer>;
  /** The job as soon as it is in one of these states; fails if it ends in another. */
  until(id: string, ...states: VideoJob['status'][]): Promise<VideoJob>;
  /**
   * The events of a stream, up to the first for which `last` holds, or its end; those of jobs have to be
   * as specified.
   */
  events(
    path: string,
    options?: { last?: (event: Event) => boolean; headers?: Record<string, string> },
  ): Promise<Event[]>;
}

export interface Event {
  id?: string;
  name: string;
  data: Json;
}

export function clientOf(url: string): Client {
  const request = async <T>(path: string, init: RequestInit): Promise<Answer<T>> => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    const body = (text === '' ? null : JSON.parse(text)) as T;
    return { status: response.status, headers: response.headers, body };
  };
  const client: Client = {
    url,
    get: (path, headers) => request(path, { headers }),
    post: (path, body, headers) =>
      request(path, {
        method: 'POST',
        headers: {
          ...(body instanceof FormData || body === undefined
            ? {}
            : { 'content-type': 'application/json' }),
          ...headers,
        },
        body:
          body === undefined ? undefined : body instanceof FormData ? body : JSON.stringify(body),
      }),
    remove: (path) => request(path, { method: 'DELETE' }),
    async bytes(path, headers) {
      const response = await fetch(url + path, { headers });
      return {
        status: response.status,
        headers: response.headers,
        bytes: Buffer.from(await response.arrayBuffer()),
      };
    },
    upload(bytes, filename) {
      const form = new FormData();
      form.set('file', new Blob([bytes as Uint8Array<ArrayBuffer>]), filename);
      return client.post('/v1/files', form);
    },
    async until(id, ...states) {
      const ends = ['completed', 'failed', 'cancelled'];
      const inState = async () => {
        const { body } = await client.get<VideoJob>(`/v1/videos/${id}`);
        if (states.includes(body.status)) return body;
        assert.ok(!ends.includes(body.status), `${id} is ${body.status}: ${body.error?.message}`);
        return null;
      };
      return until(inState, SLOW);
    },
    async events(path, { last = () => false, headers } = {}) {
      const response = await fetch(url + path, { headers });
      assert.equal(response.status, 200);
      assert.match(response.headers.get('content-type')!, /^text\/event-stream/);
      const isOfJobs = /^\/v1\/(events|videos\/)/.test(path);
      const found: Event[] = [];
      let text = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body!) {
        text += decoder.decode(chunk, { stream: true });
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const event = eventOf(text.slice(0, end));
          text = text.slice(end + 2);
          if (!event) continue;
          if (isOfJobs) assert.deepEqual(EventData.parse(event.data), event.data);
          found.push(event);
          if (last(event)) return found; // which ends the stream
        }
      }
      return found;
    },
  };
  return client;
}

function eventOf(text: string): Event | null {
  const fields = new Map(
    text
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  const data = fields.get('data');
  return data === undefined
    ? null
    : { id: fields.get('id'), name: fields.get('event')!, data: JSON.parse(data) };
}

/** A server for the tests of a file. */
export function serving(options: Partial<ListenOptions> = {}) {
  const root = temporaryFolder();
  let server: Listening;
  let client: Client;
  const begin = async () => {
    server = await listen({
      pipelines: [MODEL],
      port: 0,
      folder: `${root}/server`,
      runs: `${root}/runs`,
      ...options,
    });
    client = clientOf(server.url);
  };
  before(begin);
  after(() => server.close());
  return {
    root,
    server: () => server,
    client: () => client,
    /** Ends the server and opens it again with the same folder. */
    async restart() {
      await server.close();
      await begin();
    },
  };
}
