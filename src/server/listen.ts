/** Listens for requests. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { InputError, JobError } from '../errors.js';
import { type MfmServer, openServer } from './app.js';
import { answerUnanswered, answerUnreadable } from './http/unreadable.js';
import type { ServerOptions } from './options.js';

export interface ListenOptions extends ServerOptions {
  /** default: 127.0.0.1; any other address needs a key */
  host?: string;
  /** default: 8088; 0: one that is free */
  port?: number;
}

export interface Listening extends MfmServer {
  /** where it can be asked: `http://127.0.0.1:8088` */
  url: string;
}

/** Of a request's line and headers together. */
const HEADER_BYTES = 16 * 1024;
const HEADERS_MS = 10_000;
const IDLE_MS = 75_000;
const CONNECTIONS = 1000;

/** Opens a server and listens. @throws InputError for an address that is open to others, without a key */
export async function listen(options: ListenOptions): Promise<Listening> {
  const { host = '127.0.0.1', port = 8088, apiKeys = [], hosts = [] } = options;
  const isLocal = host === 'localhost' || host === '::1' || /^127\./.test(host);
  if (!isLocal && apiKeys.length === 0) {
    throw new InputError(
      `host: ${host} can be reached by others, so a key is needed; give one with \`apiKeys\`, or listen at 127.0.0.1`,
      { field: 'host' },
    );
  }
  const named =
    host === '0.0.0.0' || host === '::' ? [] : [host.includes(':') ? `[${host}]` : host];
  const server = await openServer({ ...options, hosts: [...hosts, ...named] });
  const http = createServer(
    // without a host there is an answer in the form of all others
    { maxHeaderSize: HEADER_BYTES, requireHostHeader: false },
    getRequestListener(server.app.fetch, { errorHandler: answerUnanswered }),
  );
  answerUnreadable(http, { headerBytes: HEADER_BYTES });
  http.headersTimeout = HEADERS_MS;
  // bodies may be large; those that come too slowly are ended by whoever reads them
  http.requestTimeout = 0;
  http.keepAliveTimeout = IDLE_MS;
  http.maxConnections = CONNECTIONS;
  try {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject);
      http.listen(port, host, resolve);
    });
  } catch (error) {
    await server.close();
    throw asProblem(error, host, port);
  }
  const { port: bound } = http.address() as AddressInfo;
  const close = async () => {
    http.close();
    await server.close();
    http.closeAllConnections();
  };
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
  return Object.create(server, { url: { value: url }, close: { value: close } }) as Listening;
}

function asProblem(error: unknown, host: string, port: number): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new InputError(`port: ${port} at ${host} is in use already; name another \`port\``, {
      field: 'port',
    });
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EACCES') {
    return new InputError(
      `host: ${host}:${port} cannot be listened at (${code}); name an address of this machine`,
      { field: 'host' },
    );
  }
  return new JobError(`${host}:${port}: cannot be listened at (${message})`, { cause: error });
}
