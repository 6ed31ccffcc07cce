import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { signal } from '@preact/signals';
import { follow } from '../../studio/api/follow.js';
import type { EventData } from '../../studio/api/types.js';

const fetched = globalThis.fetch;

/** A stream that the test writes to. */
interface Connection {
  lastId: string | null;
  send(text: string): void;
  close(): void;
}

/** The server's answers, one after the other; after them a key is needed, which ends the following. */
function serve(count: number): Connection[] {
  const connections: Connection[] = [];
  globalThis.fetch = (async (_: string, { headers, signal }: RequestInit) => {
    const answer = connections.length;
    if (answer === count) return new Response('{}', { status: 401 });
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        signal!.addEventListener('abort', () => {
          if (connections[answer]) controller.error(new DOMException('ended', 'AbortError'));
        });
        connections.push({
          lastId: new Headers(headers).get('last-event-id'),
          send: (text) => controller.enqueue(new TextEncoder().encode(text)),
          close: () => controller.close(),
        });
      },
    });
    return new Response(body);
  }) as typeof fetch;
  return connections;
}

/** Lets everything happen that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const event = (id: string): string => `id: ${id}\ndata: {"type":"resync"}\n\n`;

describe('following the events', () => {
  const events: EventData[] = [];
  const states: boolean[] = [];
  const listener = {
    onEvent: (one: EventData) => events.push(one),
    onState: (open: boolean) => states.push(open),
  };
  beforeEach(() => {
    events.length = 0;
    states.length = 0;
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(() => {
    mock.timers.reset();
    globalThis.fetch = fetched;
  });

  test('goes on after the last one that came, when the server was away', async () => {
    const connections = serve(2);
    const over = follow(listener, signal(true));
    await settle();
    connections[0]!.send(event('a-1') + event('a-2'));
    connections[0]!.close();
    await settle();
    assert.deepEqual([events.length, states], [2, [true, false]]);
    mock.timers.tick(500);
    await settle();
    assert.deepEqual(
      connections.map(({ lastId }) => lastId),
      [null, 'a-2'],
    );
    assert.equal(states.at(-1), true);
    connections[1]!.close();
    await settle();
    mock.timers.tick(500);
    await over;
  });

  test('connects again when nothing is heard for long, not even that the server lives', async () => {
    const connections = serve(2);
    const over = follow(listener, signal(true));
    await settle();
    for (const _ of [1, 2, 3]) {
      mock.timers.tick(30_000);
      connections[0]!.send(': ping\n\n');
      await settle();
    }
    assert.deepEqual(states, [true]);
    mock.timers.tick(45_000);
    await settle();
    assert.deepEqual(states, [true, false]);
    mock.timers.tick(500);
    await settle();
    assert.equal(connections.length, 2);
    connections[1]!.close();
    await settle();
    mock.timers.tick(500);
    await over;
  });

  test('has no connection while none is wanted, and misses nothing', async () => {
    const connections = serve(2);
    const wanted = signal(false);
    const over = follow(listener, wanted);
    await settle();
    assert.deepEqual([connections.length, states], [0, []]);
    wanted.value = true;
    await settle();
    connections[0]!.send(event('a-1'));
    await settle();
    wanted.value = false;
    await settle();
    assert.deepEqual(states, [true, false]);
    wanted.value = true;
    await settle();
    assert.deepEqual([connections[1]!.lastId, states.at(-1)], ['a-1', true]);
    connections[1]!.close();
    await settle();
    mock.timers.tick(500);
    await over;
  });

  test('ends where a key is needed', async () => {
    serve(0);
    await follow(listener, signal(true));
    assert.deepEqual([events, states], [[], [false]]);
  });
});
