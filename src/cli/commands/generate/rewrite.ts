/**
 * Rewrites prompts through an OpenAI-compatible chat endpoint. Nothing is sent anywhere unless
 * `--rewrite-prompt` is given.
 */
import { InputError, JobError } from '../../../errors.js';
import { growingPause, passing, pause, TransientError } from '../../../hub/request.js';
import { EndlessAnswer, plainAddress, plainSecret, saidBy, textOf } from '../../../hub/web.js';
import type { Task } from '../../../tasks/index.js';

/** Options of `mfm generate`. */
export const rewriteOptions = {
  rewritePrompt: {
    kind: 'flag',
    aliases: ['refinePrompt'],
    describe:
      'have a language model rewrite prompts to suit the first input; sends both to --rewrite-url, with the key in OPENAI_API_KEY',
  },
  rewriteUrl: {
    kind: 'text',
    placeholder: 'URL',
    describe: 'base address of an OpenAI-compatible endpoint (default: OPENAI_BASE_URL)',
  },
  rewriteModel: {
    kind: 'text',
    placeholder: 'NAME',
    describe: 'name of the language model at --rewrite-url',
  },
} as const;

/** The endpoint and model that rewrite prompts. */
export interface Endpoint {
  /** base address, e.g. `https://host/v1` */
  url: string;
  model: string;
  key: string;
}

/** @returns null unless rewriting is asked for @throws InputError for a missing or wrong setting */
export function endpointOf(
  {
    rewritePrompt = false,
    rewriteUrl,
    rewriteModel,
  }: { rewritePrompt?: boolean; rewriteUrl?: string; rewriteModel?: string },
  env: NodeJS.ProcessEnv = process.env,
): Endpoint | null {
  if (!rewritePrompt) {
    const stray = { '--rewrite-url': rewriteUrl, '--rewrite-model': rewriteModel };
    for (const [name, value] of Object.entries(stray)) {
      if (value === undefined) continue;
      throw new InputError(`${name}: belongs to --rewrite-prompt; add that or leave it out`);
    }
    return null;
  }
  const url = rewriteUrl ?? env.OPENAI_BASE_URL;
  if (!url) {
    throw new InputError(
      '--rewrite-prompt: needs the address of a chat endpoint; give one with --rewrite-url, or set OPENAI_BASE_URL',
    );
  }
  const name = rewriteUrl === undefined ? 'OPENAI_BASE_URL' : '--rewrite-url';
  const address = plainAddress(name, url, 'http://localhost:8000/v1');
  if (!rewriteModel) {
    throw new InputError(
      '--rewrite-prompt: needs the name of a language model; give it with --rewrite-model',
    );
  }
  const key = env.OPENAI_API_KEY;
  if (!key) {
    throw new InputError(
      '--rewrite-prompt: needs a key; set OPENAI_API_KEY, to any word if the endpoint needs no key',
    );
  }
  return { url: address, model: rewriteModel, key: plainSecret('OPENAI_API_KEY', key) };
}

export interface RewriteRequest {
  task: Pick<Task, 'summary' | 'promptTag'>;
  prompt: string;
  /** path of a picture, clip or folder, of which the first picture is sent */
  input?: string;
}

export interface RetryOptions {
  signal?: AbortSignal;
  /** time limit of one request */
  timeoutMs?: number;
  /** pause before the next try, after this many failures, counted from 1 */
  pauseMs?(failures: number): number;
}

const TIMEOUT_MS = 90_000;
const MAX_TRIES = 4;
/** Longest side of the picture that is sent, pixels: enough to recognise its contents at low cost. */
const MAX_SIDE = 512;
/** Low, so that the model keeps to the user's prompt. */
const TEMPERATURE = 0.1;

/** Asks for short prompts: text encoders read 77 tokens, including the task's tag and added words. */
const INSTRUCTION = `You write prompts for a model that makes pictures and short silent clips.
You are told the job, somebody's wish, and mostly you see the picture that the job begins with.
Answer with the finished prompt alone: plain English, whole sentences, 30 to 45 words, no title, no quotes, no list.
- Keep everything that is wished for. Turn an order ("make her wave") into what is seen then ("A woman waves").
- Say what is there and how it looks, then where. Call things by their names, as the picture shows them.
- Of a clip, also say what moves and how, and what the camera does. If no motion is wished for, take one that is small and likely.
- One unbroken shot: no cuts, no change of scene. Nothing that cannot be seen, such as moods, sounds or the names of styles that nobody asked for.
- Without a wish, describe the picture.`;

/** A function that rewrites prompts; the same request is sent only once. */
export function rewriter(
  endpoint: Endpoint,
  patience: RetryOptions = {},
): (wish: RewriteRequest) => Promise<string> {
  const known = new Map<string, string>();
  return async (wish) => {
    const name = JSON.stringify([wish.task.promptTag, wish.prompt, wish.input]);
    const text = known.get(name) ?? (await rewritten(endpoint, wish, patience));
    known.set(name, text);
    return text;
  };
}

/**
 * Rewrites one prompt.
 * @throws InputError or JobError in one sentence; the signal's reason when it aborts
 */
async function rewritten(
  { url, model, key }: Endpoint,
  { task, prompt, input }: RewriteRequest,
  { signal, timeoutMs = TIMEOUT_MS, pauseMs = growingPause }: RetryOptions,
): Promise<string> {
  const text = `Job: ${task.promptTag} (${task.summary})\nWish: ${prompt.trim() || '(none)'}`;
  const content = input === undefined ? text : await withPicture(text, input, signal);
  const messages = [
    { role: 'system', content: INSTRUCTION },
    { role: 'user', content },
  ];
  const body = JSON.stringify({ model, messages, temperature: TEMPERATURE });
  const address = new URL(url);
  const path = address.pathname.replace(/\/+$/, '');
  address.pathname = path.endsWith('/chat/completions') ? path : `${path}/chat/completions`;
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  for (let failures = 0; ; ) {
    signal?.throwIfAborted();
    try {
      const limit = AbortSignal.timeout(timeoutMs);
      const either = signal ? AbortSignal.any([signal, limit]) : limit;
      const init = { method: 'POST', headers, body, signal: either };
      return promptIn(await post(address, init, key));
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      failures++;
      if (error.unreachable || failures === MAX_TRIES) throw givenUp(error, failures);
      await pause(Math.max(error.retryAfterMs, pauseMs(failures)), signal);
    }
  }
}

async function withPicture(text: string, input: string, signal?: AbortSignal) {
  const { pictureDataUrl } = await import('../../../media/index.js');
  const url = await pictureDataUrl(input, MAX_SIDE, { signal });
  return [
    { type: 'text', text },
    { type: 'image_url', image_url: { url } },
  ];
}

function givenUp(error: TransientError, failures: number): JobError {
  const tries = failures === 1 ? '' : ` after ${failures} tries`;
  return new JobError(
    error.unreachable
      ? `${error.message}: cannot be reached; check --rewrite-url and the connection`
      : `${error.message}: no answer${tries}; try later, or leave out --rewrite-prompt`,
    { cause: error },
  );
}

interface Answer {
  host: string;
  text: string;
  /** removed from every message, in case the server repeats it */
  key: string;
}

/** Limit of an answer, which holds a prompt, possibly after the model's reasoning. */
const MAX_ANSWER_BYTES = 8 * 2 ** 20;

/** Sends one request. @throws TransientError for failures that may be tried again */
async function post(address: URL, init: RequestInit, key: string): Promise<Answer> {
  const { host } = address;
  let response: Response;
  let text: string;
  try {
    // no redirects: prompt, picture and key go only to the address that was named
    response = await fetch(address, { ...init, redirect: 'manual' });
    text = await textOf(response, MAX_ANSWER_BYTES);
  } catch (error) {
    if (error instanceof EndlessAnswer) {
      throw new JobError(`${host}: its answer does not end; check --rewrite-url`, { cause: error });
    }
    if ((error as Error).name === 'TimeoutError') {
      throw new TransientError(`${host} (too slow)`, false, 0, { cause: error });
    }
    throw passing(error, host);
  }
  const { status, headers } = response;
  if (response.ok) return { host, text, key };
  if (status >= 300 && status < 400) throw ledElsewhere(address, headers.get('location'));
  if ([408, 425, 429].includes(status) || status >= 500) {
    const seconds = Number(headers.get('retry-after'));
    const retryAfterMs = Number.isFinite(seconds) ? Math.min(seconds, 60) * 1000 : 0;
    throw new TransientError(`${host} (status ${status})`, false, retryAfterMs);
  }
  if (status === 401 || status === 403) {
    throw new InputError(`${host}: refuses the key (status ${status}); check OPENAI_API_KEY`);
  }
  const why = reasonIn(text, key);
  if (status === 404) {
    throw new InputError(
      `${address.origin}${address.pathname}: is not there, or has no such model (status 404${why}); check --rewrite-url and --rewrite-model`,
    );
  }
  throw new JobError(`${host}: refuses the request (status ${status}${why}); try another model`);
}

function ledElsewhere(address: URL, location: string | null): InputError {
  const base = address.href;
  const next = location !== null && URL.canParse(location, base) && new URL(location, base);
  const where = next ? `${next.origin}${next.pathname}` : 'elsewhere';
  return new InputError(
    `${address.host}: redirects to ${saidBy(where, undefined, 200)}, but prompts and pictures go only to the address that was named; if you trust the other one, name it with --rewrite-url`,
  );
}

/** The reason in an error's body, in one line: `, model not found`. */
function reasonIn(text: string, key: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string } | string };
    const message = typeof error === 'string' ? error : error?.message;
    return message ? `, ${saidBy(message, key, 200).replace(/\.$/, '')}` : '';
  } catch {
    return '';
  }
}

/** The prompt in an answer, in one line and without the quotes that some models put around it. */
function promptIn({ host, text, key }: Answer): string {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    const begin = saidBy(text, key, 40);
    throw new JobError(
      `${host}: must answer in JSON, got "${begin}"; check that --rewrite-url is the base address of a chat endpoint`,
      { cause },
    );
  }
  const { choices } = (answer ?? {}) as {
    choices?: { message?: { content?: unknown }; finish_reason?: string }[];
  };
  const [choice] = Array.isArray(choices) ? choices : [];
  const content = choice?.message?.content;
  const prompt = (typeof content === 'string' ? content : '')
    .replace(/<think>[\s\S]*?<\/think>/g, '') // models that think aloud
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/^["“](.*)["”]$/, '$1')
    .trim();
  if (prompt === '') {
    throw new JobError(
      `${host}: answered without a prompt; run again, or take another --rewrite-model`,
    );
  }
  if (choice?.finish_reason === 'length') {
    throw new JobError(`${host}: its answer was cut off; take another --rewrite-model`);
  }
  return prompt;
}
