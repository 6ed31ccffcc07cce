import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { DataStore, keyOf, readPlace } from '../../src/data/store.js';

const folders: string[] = [];
const newFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'mfm-store-'));
  folders.push(folder);
  return folder;
};
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const bytesOf = (i: number): Uint8Array =>
  Uint8Array.from({ length: 1000 + i }, (_, k) => (k * 7 + i) & 255);

/** Values 0 to `count` - 1, written and closed. */
async function filled(folder: string, count: number): Promise<void> {
  const store = DataStore.open(folder);
  for (let i = 0; i < count; i++) store.put(keyOf(i), bytesOf(i));
  await store.close();
}

const fileOf = (folder: string, ending: string): string =>
  join(folder, readdirSync(folder).find((name) => name.endsWith(ending))!);

describe('DataStore', () => {
  test('gives back what it was given, before and after it is written', async () => {
    const folder = newFolder();
    const store = DataStore.open(folder);
    store.put(keyOf('a'), bytesOf(1));
    assert.deepEqual(store.get(keyOf('a')), bytesOf(1));
    assert.equal(store.get(keyOf('b')), null);
    await store.close();
    const again = DataStore.open(folder);
    assert.deepEqual(again.get(keyOf('a')), bytesOf(1));
    assert.deepEqual(readPlace(again.place(keyOf('a'))!), bytesOf(1));
  });

  test('reads a list of any length, and what comes to it later', () => {
    const folder = newFolder();
    const list = join(folder, 'r0-00000000.list');
    const lines = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => {
        return `${keyOf(from + i)} ${from + i} 1 ${'0'.repeat(16)}\n`;
      }).join('');
    writeFileSync(list, lines(0, 30_000));
    appendFileSync(list, `${'x'.repeat(3_000_000)}\n${lines(30_000, 30_001).slice(0, 20)}`);
    const store = DataStore.open(folder);
    assert.equal(store.figures.entries, 30_000);
    appendFileSync(list, lines(30_000, 40_000).slice(20));
    store.refresh();
    assert.equal(store.figures.entries, 40_000);
    for (const i of [0, 15_000, 29_999, 30_000, 39_999]) {
      assert.equal(store.place(keyOf(i))?.offset, i);
    }
  });

  test('takes a line that was cut off, or is no line, as not written', async () => {
    const folder = newFolder();
    await filled(folder, 3);
    const list = fileOf(folder, '.list');
    truncateSync(list, readFileSync(list).length - 5);
    appendFileSync(fileOf(folder, '.pack'), 'rest of a value');
    const store = DataStore.open(folder);
    assert.deepEqual(
      [0, 1, 2].map((i) => store.has(keyOf(i))),
      [true, true, false],
    );
    assert.deepEqual(store.get(keyOf(1)), bytesOf(1));
  });

  test('counts values that are damaged or not all there, and takes new ones for them', async () => {
    const folder = newFolder();
    await filled(folder, 4);
    const pack = fileOf(folder, '.pack');
    const bytes = readFileSync(pack);
    bytes[500]! ^= 1; // in value 0
    writeFileSync(pack, bytes.subarray(0, bytes.length - 10)); // the end of value 3
    const store = DataStore.open(folder);
    const found = [0, 1, 2, 3].map((i) => store.get(keyOf(i)) !== null);
    assert.deepEqual(found, [false, true, true, false]);
    assert.equal(store.figures.damaged, 2);
    store.put(keyOf(0), bytesOf(0));
    await store.close();
    const again = DataStore.open(folder);
    assert.deepEqual(again.get(keyOf(0)), bytesOf(0));
  });

  test('sees what another process wrote after a refresh', async () => {
    const folder = newFolder();
    const [a, b] = [0, 1].map((rank) => DataStore.open(folder, { rank }));
    b!.put(keyOf('of b'), bytesOf(9));
    await b!.flush();
    assert.equal(a!.has(keyOf('of b')), false);
    a!.refresh();
    assert.deepEqual(a!.get(keyOf('of b')), bytesOf(9));
    b!.put(keyOf('more of b'), bytesOf(8));
    await b!.flush();
    a!.refresh();
    assert.deepEqual(a!.get(keyOf('more of b')), bytesOf(8));
  });

  test('goes on without keeping more where it cannot write, and says so once', async () => {
    const folder = newFolder();
    const told: string[] = [];
    const store = DataStore.open(folder, { onWarning: (sentence) => told.push(sentence) });
    rmSync(folder, { recursive: true });
    for (let i = 0; i < 3; i++) {
      store.put(keyOf(i), bytesOf(i));
      await store.flush();
    }
    assert.equal(told.length, 1);
    assert.match(told[0]!, /cannot be written .*; continuing without storing more$/);
    assert.equal(store.get(keyOf(0)), null);
  });

  test('has whole values only after its writer was killed', async () => {
    const folder = newFolder();
    const module = new URL('../../src/data/store.ts', import.meta.url).href;
    const program = `
      import { DataStore, keyOf } from '${module}';
      const store = DataStore.open(process.argv[1]);
      for (let i = 0; ; i++) {
        store.put(keyOf(i), new Uint8Array(200000).fill(i & 255));
        await store.flush();
        if (i === 20) console.log('begun');
      }`;
    const args = ['--import', 'tsx', '--input-type=module', '-e', program, folder];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const store = DataStore.open(folder);
    const { entries } = store.figures;
    assert.ok(entries >= 20, `${entries} entries`);
    for (let i = 0; i < entries; i++) {
      const value = store.get(keyOf(i));
      assert.equal(value?.length, 200000);
      assert.equal(value![199999], i & 255);
    }
    assert.equal(store.figures.damaged, 0);
  });
});

test('a key tells apart what differs in any part', () => {
  const keys = [keyOf('a', 1), keyOf('a', 2), keyOf('a1'), keyOf(['a', 1]), keyOf('a', '1')];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(keyOf('a', 1), keys[0]);
});
