/** Streams of server-sent events. */

/** A comment keeps proxies from closing a stream in which nothing happens. */
const PING_MS = 15_000;
/** Bytes that may wait for a reader before the stream is ended: it can come back for the rest. */
const MOST_WAITING = 4 * 2 ** 20;

export interface Stream {
  send(text: string): void;
  close(): void;
}

/**
 * An answer whose body is written by `begin`; what that returns is called at the end, whoever ends it.
 * @param retry  say when to come back; OpenAI's clients take that for an event
 */
export function eventStream(
  begin: (stream: Stream) => () => void,
  { retry = true }: { retry?: boolean } = {},
): Response {
  const encoder = new TextEncoder();
  let end = () => {};
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        let open = true;
        let stop = () => {};
        const ping = setInterval(() => stream.send(': ping\n\n'), PING_MS);
        const close = () => {
          if (!open) return;
          open = false;
          clearInterval(ping);
          stop();
          controller.close();
        };
        const stream: Stream = {
          send(text) {
            if (!open) return;
            controller.enqueue(encoder.encode(text));
            if ((controller.desiredSize ?? 0) < -MOST_WAITING) close();
          },
          close,
        };
        end = () => {
          open = false;
          clearInterval(ping);
          stop();
        };
        if (retry) stream.send('retry: 1000\n\n');
        stop = begin(stream);
        if (!open) stop();
      },
      cancel() {
        end();
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: 0 }),
  );
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  });
}

/** An event as a stream has it. */
export const eventText = ({ id, name, data }: { id?: string; name: string; data: object }) =>
  `${id === undefined ? '' : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
