/**
 * Who may ask: the page must be the server's own (against DNS rebinding and other sites' pages), and
 * where keys are set, a request needs one.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { getCookie } from 'hono/cookie';
import { HttpError } from '../errors.js';

export interface GuardOptions {
  /** keys that are accepted; none: no key is needed */
  apiKeys: readonly string[];
  /** names, besides the loopback's, that the server may be asked by */
  hosts: readonly string[];
  /** other pages that may ask, as `https://host:port` */
  origins: readonly string[];
  /** requests a minute with one key; 0: any number */
  rate: number;
}

export const COOKIE = 'mfm_session';

/** Sessions at once; the oldest one ends when there are more. */
const SESSIONS = 1000;

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** Addresses that anybody may ask for: they tell nothing and change nothing. */
const OPEN = /^\/(health|openapi\.json|docs|v1\/session)?$/;

export class Guard {
  private readonly keys: readonly Buffer[];
  private readonly sessions = new Map<string, number>();
  private readonly buckets = new Map<number, { tokens: number; ms: number }>();

  constructor(private readonly options: GuardOptions) {
    this.keys = options.apiKeys.map(digest);
  }

  get needsKey(): boolean {
    return this.keys.length > 0;
  }

  /** Refuses what comes by a foreign name or from a foreign page, and what needs a key without one. */
  readonly check: MiddlewareHandler = async (c, next) => {
    this.expectHost(c);
    this.expectOrigin(c);
    const path = c.req.path;
    // the studio's own files hold no secrets
    const isOpen = OPEN.test(path) || !/^\/(v1|metrics)(\/|$)/.test(path);
    if (this.needsKey && !isOpen) {
      const who = this.whoAsks(c);
      if (who === null) throw missingKey(c);
      this.expectRate(who);
    }
    await next();
  };

  /** The index of the request's key; null if it has none that is accepted. */
  whoAsks(c: Context): number | null {
    const bearer = /^Bearer\s+(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
    if (bearer !== undefined) return this.keyIndex(bearer.trim());
    return this.sessions.get(getCookie(c, COOKIE) ?? '') ?? null;
  }

  /** A session for a key, as pages cannot send headers everywhere. @throws HttpError for a wrong one */
  begin(key: string): string {
    const who = this.keyIndex(key);
    if (who === null) {
      throw new HttpError(
        401,
        'wrong_key',
        'api_key: is not accepted; check it, or ask who runs the server',
        { param: 'api_key' },
      );
    }
    const token = randomBytes(32).toString('base64url');
    this.sessions.set(token, who);
    const [oldest] = this.sessions.keys();
    if (this.sessions.size > SESSIONS) this.sessions.delete(oldest!);
    return token;
  }

  end(token: string): void {
    this.sessions.delete(token);
  }

  /** Compares with all keys, each in constant time. */
  private keyIndex(key: string): number | null {
    const given = digest(key);
    let found: number | null = null;
    this.keys.forEach((own, i) => {
      if (timingSafeEqual(own, given)) found = i;
    });
    return found;
  }

  private expectHost(c: Context): void {
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    if (this.isOwn(host)) return;
    throw new HttpError(
      403,
      'bad_host',
      `the host "${host.slice(0, 100)}" is not this server's; start it with --allow-host to be asked by that name`,
    );
  }

  private isOwn(host: string): boolean {
    const name = host.toLowerCase().replace(/:\d+$/, '');
    return LOOPBACK.includes(name) || this.options.hosts.some((own) => own.toLowerCase() === name);
  }

  private expectOrigin(c: Context): void {
    const origin = c.req.header('origin');
    // pages of other sites that ask without an origin say so in this header
    const isForeign = c.req.header('sec-fetch-site') === 'cross-site';
    if (origin === undefined && !isForeign) return;
    if (origin !== undefined) {
      const host = c.req.header('host') ?? new URL(c.req.url).host;
      const own = [`http://${host}`, `https://${host}`, ...this.options.origins];
      if (own.some((one) => one.toLowerCase() === origin.toLowerCase())) return;
    } else if (c.req.header('sec-fetch-mode') === 'navigate' && c.req.method === 'GET') {
      return; // a link to the studio
    }
    throw new HttpError(
      403,
      'bad_origin',
      `the page ${origin ?? 'that asks'} is not this server's; start the server with --allow-origin to let it ask`,
    );
  }

  /** A bucket of tokens for each key, which fills at the allowed rate. */
  private expectRate(who: number): void {
    const { rate } = this.options;
    if (rate === 0) return;
    const nowMs = performance.now();
    const bucket = this.buckets.get(who) ?? { tokens: rate, ms: nowMs };
    bucket.tokens = Math.min(rate, bucket.tokens + ((nowMs - bucket.ms) / 60_000) * rate);
    bucket.ms = nowMs;
    this.buckets.set(who, bucket);
    if (bucket.tokens < 1) {
      const seconds = Math.ceil((60 / rate) * (1 - bucket.tokens));
      throw new HttpError(
        429,
        'rate_limited',
        `more than ${rate} requests a minute came with this key; wait ${seconds} s`,
        {
          headers: { 'retry-after': String(seconds) },
        },
      );
    }
    bucket.tokens--;
  }
}

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

function missingKey(c: Context): HttpError {
  const given = c.req.header('authorization') !== undefined;
  const message = given
    ? 'the key is not accepted; check it, or ask who runs the server'
    : 'a key is needed; send it as "Authorization: Bearer KEY"';
  return new HttpError(401, given ? 'wrong_key' : 'missing_key', message, {
    headers: { 'www-authenticate': 'Bearer' },
  });
}
