/**
 * Rules for every request to another machine: addresses without passwords, secrets of a single word,
 * responses of limited size, and no secrets in messages.
 */
import { InputError } from '../errors.js';

/**
 * Refuses anything but a plain web address. The message does not show the refused text, since it may
 * contain a password.
 *
 * @param name  of the variable or option that holds it
 * @returns the address, without trailing slashes
 * @throws InputError if it is not an http(s) address, or contains a user or a password
 */
export function plainAddress(name: string, text: string, example: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    throw new InputError(
      `${name}: must be a plain address that begins with http:// or https://, such as ${example}, without a user and a password`,
    );
  }
  return text.trim().replace(/\/+$/, '');
}

/**
 * Refuses a token or key that cannot be sent in a header. The error of `fetch` would contain the secret;
 * this message does not.
 *
 * @param name  of the variable or file that holds it
 */
export function plainSecret(name: string, secret: string): string {
  if (/^[\x21-\x7e]+$/.test(secret)) return secret;
  throw new InputError(
    `${name}: must be one word of plain characters; set it without spaces and line breaks`,
  );
}

/**
 * Another machine's text made fit for a message: one short
 * line, without `secret` and control characters.
 */
export function saidBy(text: string, secret: string | undefined, length: number): string {
  const known = secret ? text.replaceAll(secret, '…') : text;
  const line = known.trim().split(/[\r\n]/)[0] ?? '';
  return line.replace(/\p{C}/gu, ' ').slice(0, length).trim();
}

/** A response is longer than allowed. */
export class EndlessAnswer extends Error {}

/** The body as text. @throws EndlessAnswer beyond `maxBytes`, without reading further */
export async function textOf(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  // leaving the loop early cancels the body
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new EndlessAnswer(`more than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
