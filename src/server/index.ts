/**
 * The server behind `mfm serve`, exported as `mfm/server`: a hono app that can be mounted elsewhere.
 * docs/server.md explains it.
 *
 * ```ts
 * const server = await listen({ pipelines: ['models/mfm-mini'], port: 0 });
 * console.log(server.url);
 * ```
 */
export { type MfmServer, openServer } from './app.js';
export { type Listening, type ListenOptions, listen } from './listen.js';
export type { ServerOptions } from './options.js';
