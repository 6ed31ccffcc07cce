/** A chat endpoint on a local port, for tests: it notes what it is asked and answers from a list. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A string is a model's answer; otherwise the status, headers and body as they are. */
export type Planned =
  | string
  | { status?: number; headers?: Record<string, string>; body?: string; silent?: true };

export interface Asked {
  path: string;
  authorization?: string;
  body: {
    model: string;
    temperature: number;
    messages: {
      role: string;
      content: string | { text?: string; image_url?: { url: string } }[];
    }[];
  };
}

export class ChatServer {
  readonly seen: Asked[] = [];
  /** taken from the front; the last one stays */
  answers: Planned[] = ['a prompt'];
  /** called when a request has come */
  onAsked: () => void = () => {};
  private readonly server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { url: path = '', headers } = request;
      const body = JSON.parse(Buffer.concat(parts).toString());
      this.seen.push({ path, authorization: headers.authorization, body });
      this.onAsked();
      const planned = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
      if (typeof planned === 'string') {
        const choices = [{ message: { role: 'assistant', content: planned } }];
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ choices }));
      } else if (!planned.silent) {
        response.writeHead(planned.status ?? 200, planned.headers).end(planned.body ?? '');
      }
    });
  });

  /** base address */
  url = '';

  async start(): Promise<this> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
    return this;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
