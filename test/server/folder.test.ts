import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openServer } from '../../src/server/index.js';
import { claim, clearIncoming } from '../../src/server/store/folder.js';
import { newId, Shelf } from '../../src/server/store/shelf.js';
import { temporaryFolder } from '../temp-folder.js';

describe("a server's folder", () => {
  test('is not taken from something else, of which nothing is changed', async () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'jobs'));
    writeFileSync(join(root, 'jobs', 'email.ts'), 'mine');
    writeFileSync(join(root, 'index.ts'), 'mine');
    await assert.rejects(openServer({ folder: root }), {
      name: 'InputError',
      field: 'folder',
      message: `${root}: holds something other than a server's jobs and files ("index.ts"); name a new \`folder\``,
    });
    assert.deepEqual(readdirSync(root).sort(), ['index.ts', 'jobs']);
  });

  test('may hold LoRAs before its first start, and other things later', () => {
    const root = temporaryFolder();
    mkdirSync(join(root, 'loras'));
    claim(root).release();
    clearIncoming(root);
    writeFileSync(join(root, 'notes.txt'), 'mine');
    claim(root).release();
  });

  test('loses what was not finished when a server ended, and nothing else', () => {
    const root = temporaryFolder();
    const [whole, begun] = [newId('video'), newId('video')];
    const jobs = join(root, 'jobs');
    for (const name of [whole, begun, 'mine']) mkdirSync(join(jobs, name), { recursive: true });
    const record = { id: whole, createdMs: 1 };
    writeFileSync(join(jobs, whole, 'job.json'), JSON.stringify(record));
    writeFileSync(join(jobs, 'mine', 'text'), 'mine');
    const shelf = new Shelf(jobs, 'job.json', assert.fail);
    assert.deepEqual(shelf.all(), [record]);
    assert.ok(!existsSync(join(jobs, begun)));
    assert.equal(readFileSync(join(jobs, 'mine', 'text'), 'utf8'), 'mine');

    const incoming = clearIncoming(root);
    for (const name of ['0123456789abcdef01234567', 'mine'])
      writeFileSync(join(incoming, name), '');
    clearIncoming(root);
    assert.deepEqual(readdirSync(incoming), ['mine']);
  });
});
