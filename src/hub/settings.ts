/** Locates the hub and its cache by the environment variables of huggingface_hub. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { plainAddress, plainSecret } from './web.js';

const HUB = 'https://huggingface.co';

export interface HubSettings {
  /** folder of all downloads, with `models--ORG--NAME` in it */
  cache: string;
  /** address of the hub, without a slash at its end */
  endpoint: string;
  /** for private and gated repositories; sent only to the endpoint */
  token?: string;
  offline: boolean;
}

/**
 * Reads HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME; HF_ENDPOINT; HF_TOKEN or the file that `hf auth login`
 * writes (HF_TOKEN_PATH); HF_HUB_OFFLINE. An empty variable counts as unset.
 *
 * @throws InputError if HF_ENDPOINT is not a plain web address, or the token is not a single word
 * Source: huggingface_hub, "Environment variables"
 */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const path = (name: string) => env[name]?.replace(/^~(?=\/|$)/, homedir());
  const home =
    path('HF_HOME') || join(path('XDG_CACHE_HOME') || join(homedir(), '.cache'), 'huggingface');
  return {
    cache: path('HF_HUB_CACHE') || path('HUGGINGFACE_HUB_CACHE') || join(home, 'hub'),
    endpoint: plainAddress('HF_ENDPOINT', env.HF_ENDPOINT || HUB, HUB),
    token: tokenOf(env, path('HF_TOKEN_PATH') || join(home, 'token')),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
  };
}

function tokenOf(env: NodeJS.ProcessEnv, file: string): string | undefined {
  const variable = env.HF_TOKEN ? 'HF_TOKEN' : 'HUGGING_FACE_HUB_TOKEN';
  const given = (env[variable] ?? '').trim();
  if (given !== '') return plainSecret(variable, given);
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  let stored: string;
  try {
    stored = readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // no file, so nobody is logged in
  }
  return stored === '' ? undefined : plainSecret(file, stored);
}

function isTrue(text = ''): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes(text.toUpperCase());
}
