/** The lines of docs/server.md work as they are. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromRoot } from '../../src/files/package-root.js';
import { noFfmpeg } from '../media/helpers.js';
import { serving } from './serving.js';

const { root, client } = serving();

test('the curl lines of docs/server.md', { skip: noFfmpeg }, async () => {
  const text = readFileSync(fromRoot('docs/server.md'), 'utf8');
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) => block!);
  const lines = blocks.filter((block) => block.includes('curl ')).join('');
  assert.ok(lines.split('curl ').length > 12);
  const folder = join(root, 'lines');
  mkdirSync(folder);
  const script = `set -e -o pipefail\n${lines.replaceAll('http://127.0.0.1:8088', client().url)}`;
  const { code, output } = await bash(script, folder);
  assert.equal(code, 0, output);
  for (const name of ['cube.png', 'cube.mp4', 'cube.webp', 'cube.json', 'larger.png', 'any.mp4']) {
    assert.ok(statSync(join(folder, name)).size > 100, name);
  }
  assert.match(output, /event: completed/);
  assert.match(output, /"object":"plan"/);
  assert.match(output, /"object":"video\.deleted","deleted":true/);
});

async function bash(script: string, cwd: string): Promise<{ code: number | null; output: string }> {
  const child = spawn('bash', ['-c', script], { cwd });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output };
}
