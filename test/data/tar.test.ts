import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { listTar, readTarText, TarWriter } from '../../src/data/tar.js';
import { InputError } from '../../src/errors.js';
import { temporaryFolder } from '../media/helpers.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

async function names(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of listTar(path)) found.push(name);
  return found;
}

async function writeTar(path: string, members: Record<string, Uint8Array>): Promise<void> {
  const file = await open(path, 'w');
  const writer = new TarWriter(file);
  for (const [name, bytes] of Object.entries(members)) await writer.add(name, bytes);
  await writer.end();
  await file.close();
}

describe('TarWriter', () => {
  test('writes what the system tar lists and unpacks', async () => {
    writeFileSync(at('big.bin'), Buffer.alloc(200_001, 7));
    const file = await open(at('own.tar'), 'w');
    const writer = new TarWriter(file);
    await writer.add('a.txt', Buffer.from('héllo'));
    await writer.addFile('sub/big.bin', at('big.bin'), 200_001);
    await writer.add('empty', Buffer.alloc(0));
    await writer.end();
    await file.close();
    const listed = execFileSync('tar', ['tf', at('own.tar')], { encoding: 'utf8' });
    assert.deepEqual(listed.trim().split('\n'), ['a.txt', 'sub/big.bin', 'empty']);
    mkdirSync(at('out'));
    execFileSync('tar', ['xf', at('own.tar'), '-C', at('out')]);
    assert.equal(readFileSync(at('out/a.txt'), 'utf8'), 'héllo');
    assert.deepEqual(readFileSync(at('out/sub/big.bin')), readFileSync(at('big.bin')));
  });

  test('refuses a name that is too long', async () => {
    await assert.rejects(writeTar(at('long.tar'), { ['x'.repeat(101)]: Buffer.alloc(1) }), {
      name: InputError.name,
      message: /at most 100 bytes/,
    });
  });
});

describe('listTar', () => {
  const long = `${'deep/'.repeat(30)}name.txt`;
  for (const format of ['ustar', 'pax', 'gnu']) {
    test(`finds the members of the system tar, format ${format}, long names too`, async () => {
      mkdirSync(join(at('in'), 'deep/'.repeat(30)), { recursive: true });
      writeFileSync(join(at('in'), long), 'far down');
      writeFileSync(at('in/b.txt'), 'near');
      const path = at(`${format}.tar`);
      execFileSync('tar', [`--format=${format}`, '-cf', path, '-C', at('in'), './b.txt', long]);
      assert.deepEqual(await names(path), ['b.txt', long]);
      for await (const member of listTar(path)) {
        const want = member.name === long ? 'far down' : 'near';
        assert.equal(await readTarText(path, member), want);
      }
    });
  }

  test('says in one sentence why a file is no tar', async () => {
    await writeTar(at('whole.tar'), { a: Buffer.alloc(2000), b: Buffer.alloc(2000) });
    const bytes = readFileSync(at('whole.tar'));
    const damaged = Buffer.from(bytes);
    damaged.fill(9, 2600, 2700);
    const cases: [string, Uint8Array, RegExp][] = [
      ['cut.tar', bytes.subarray(0, 4000), /cut\.tar: ends too early, in the member at byte 2560/],
      ['damaged.tar', damaged, /damaged\.tar: is no tar, or damaged, at byte 2560/],
      ['text.tar', Buffer.from('hello'), /text\.tar: is no tar/],
      ['zip.tar', Buffer.alloc(600, '\x1f\x8b', 'latin1'), /zip\.tar: is compressed; unpack it/],
    ];
    for (const [name, content, message] of cases) {
      writeFileSync(at(name), content);
      await assert.rejects(names(at(name)), { name: InputError.name, message });
    }
    await assert.rejects(names(at('none.tar')), /none\.tar: no such shard/);
  });
});
