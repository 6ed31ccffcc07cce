/** Answers requests that cannot be read, of which no route hears. */
import type { Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { RequestError } from '@hono/node-server';
import { badRequest, bodyOf, type ErrorStatus, HttpError, statusOf } from '../errors.js';

/** How long a client may take to hear the answer. */
const LINGER_MS = 2000;

/**
 * Answers what Node's parser refuses.
 *
 * @param headerBytes  the most bytes of a request's line and headers, to be named
 */
export function answerUnreadable(http: Server, { headerBytes }: { headerBytes: number }): void {
  const answering = new WeakMap<Duplex, ServerResponse>();
  http.on('request', ({ socket }, response) => answering.set(socket, response));
  http.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const begun = answering.get(socket);
    const isAnswered = begun?.headersSent && !begun.writableEnded;
    if (error.code === 'ECONNRESET' || !socket.writable || isAnswered) {
      socket.destroy();
      return;
    }
    socket.end(textOf(problemOf(error, headerBytes)));
    // what is still being sent is read, as many clients listen only after that
    socket.resume();
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}

function problemOf({ code, message }: NodeJS.ErrnoException, headerBytes: number): HttpError {
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new HttpError(
      431,
      'headers_too_large',
      `the address and the headers have more than ${headerBytes} bytes; send what is long in the body`,
    );
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new HttpError(408, 'too_slow', 'the headers come too slowly; send the request again');
  }
  return noHttp(message);
}

/** Answers what is HTTP, but has no address or host that can be read. */
export function answerUnanswered(error: unknown): Response {
  const problem = error instanceof RequestError ? noHttp(error.message) : error;
  return Response.json({ error: bodyOf(problem) }, { status: statusOf(problem) });
}

const noHttp = (reason: string): HttpError =>
  badRequest(`the request is not HTTP/1.1 (${reason}); send it by an HTTP client`);

function textOf({ status, body }: HttpError): string {
  const json = JSON.stringify({ error: body });
  return [
    `HTTP/1.1 ${status} ${REASONS[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(json)}`,
    'connection: close',
    '',
    json,
  ].join('\r\n');
}

const REASONS: Partial<Record<ErrorStatus, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  431: 'Request Header Fields Too Large',
};
