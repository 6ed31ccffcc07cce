import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fromRoot } from '../../src/files/package-root.js';

const child = fileURLToPath(new URL('fixtures/rubbish.mjs', import.meta.url));
const addon = process.env.MFM_ADDON ?? fromRoot('build/mfm.node');

test('no function of the addon ends the process, whatever it is called with', () => {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [child, addon, '1', '5'], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '2' },
  });
  assert.match(stdout, /^survived \d+\n$/, `${signal ?? status}: ${stderr.slice(-2000)}`);
});
