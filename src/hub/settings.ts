/** Where the hub and its cache are, by the variables that huggingface_hub reads. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { InputError } from '../errors.js';

export interface HubSettings {
  /** folder of all downloads, with `models--ORG--NAME` in it */
  cache: string;
  /** address of the hub, without a slash at its end */
  endpoint: string;
  /** for private and gated repositories; sent to the endpoint alone */
  token?: string;
  offline: boolean;
}

/**
 * HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME; HF_ENDPOINT; HF_TOKEN or the file that `hf auth login`
 * writes (HF_TOKEN_PATH); HF_HUB_OFFLINE. An empty variable counts as unset.
 *
 * @throws InputError if HF_ENDPOINT is no web address
 * Source: huggingface_hub, "Environment variables"
 */
export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const path = (name: string) => env[name]?.replace(/^~(?=\/|$)/, homedir());
  const home =
    path('HF_HOME') || join(path('XDG_CACHE_HOME') || join(homedir(), '.cache'), 'huggingface');
  return {
    cache: path('HF_HUB_CACHE') || path('HUGGINGFACE_HUB_CACHE') || join(home, 'hub'),
    endpoint: endpointOf(env.HF_ENDPOINT || 'https://huggingface.co'),
    token: tokenOf(env, path('HF_TOKEN_PATH') || join(home, 'token')),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
  };
}

function endpointOf(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InputError(
      `HF_ENDPOINT: must be an address like https://huggingface.co, got ${text}`,
    );
  }
  return text.replace(/\/+$/, '');
}

function tokenOf(env: NodeJS.ProcessEnv, file: string): string | undefined {
  const given = (env.HF_TOKEN || env.HUGGING_FACE_HUB_TOKEN || '').trim();
  if (given !== '') return given;
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined; // no file, nobody logged in
  }
}

function isTrue(text = ''): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes(text.toUpperCase());
}
