/**
 * The memory of the server while a large file is uploaded.
 *
 *     node --import tsx bench/server/upload.ts [MiB, 512]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startServer } from './process.js';

const [mib = 512] = process.argv.slice(2).map(Number);
const root = mkdtempSync(join(tmpdir(), 'mfm-upload-'));
const server = await startServer(root);
const pid = server.child.pid!;
const kilobytes = (key: string) =>
  Number(
    new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1],
  );

const before = kilobytes('VmRSS');
const line = Buffer.from(`{"prompt": "${'a'.repeat(1000)}"}\n`);
const piece = Buffer.alloc(2 ** 20, line);
const head = '--x\r\nContent-Disposition: form-data; name="file"; filename="large.jsonl"\r\n\r\n';
const tail = '\r\n--x--\r\n';
const startMs = performance.now();
const { hostname, port } = new URL(server.url);
const answer = await new Promise<string>((resolve, reject) => {
  const length = head.length + mib! * piece.length + tail.length;
  const sending = request(
    {
      hostname,
      port,
      method: 'POST',
      path: '/v1/files',
      headers: { 'content-type': 'multipart/form-data; boundary=x', 'content-length': length },
    },
    (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
      });
      response.on('end', () => resolve(text));
    },
  );
  sending.on('error', reject);
  sending.write(head);
  let sent = 0;
  const send = () => {
    while (sent < mib!) {
      sent++;
      if (!sending.write(piece)) return void sending.once('drain', send);
    }
    sending.end(tail);
  };
  send();
});
const took = (performance.now() - startMs) / 1000;
const most = kilobytes('VmHWM');
console.log(`${answer.slice(0, 120)}…`);
console.log(
  `${mib} MiB in ${took.toFixed(1)} s; the server held ${Math.round(before / 1024)} MiB before, and at most ${Math.round(most / 1024)} MiB`,
);
await server.end();
rmSync(root, { recursive: true });
