import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { listTar, readTarText, TarWriter } from '../../../src/data/sources/tar.js';
import { InputError } from '../../../src/errors.js';
import { temporaryFolder } from '../../temp-folder.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

async function names(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name } of listTar(path)) found.push(name);
  return found;
}

async function writeTar(path: string, members: Record<string, Uint8Array>): Promise<void> {
  const file = await open(path, 'w');
  try {
    const writer = new TarWriter(file);
    for (const [name, bytes] of Object.entries(members)) await writer.add(name, bytes);
    await writer.end();
  } finally {
    await file.close();
  }
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
      ['damaged.tar', damaged, /damaged\.tar: is not a tar, or is damaged, at byte 2560/],
      ['text.tar', Buffer.from('hello'), /text\.tar: is not a tar/],
      ['zip.tar', Buffer.alloc(600, '\x1f\x8b', 'latin1'), /zip\.tar: is compressed; unpack it/],
    ];
    for (const [name, content, message] of cases) {
      writeFileSync(at(name), content);
      await assert.rejects(names(at(name)), { name: InputError.name, message });
    }
    await assert.rejects(names(at('none.tar')), /none\.tar: no such shard/);
  });

  /** A tar of one member whose header has other bytes at a place; its sum is right. */
  async function patched(name: string, place: number, bytes: Uint8Array): Promise<string> {
    await writeTar(at(name), { a: Buffer.alloc(600) });
    const tar = readFileSync(at(name));
    tar.set(bytes, place);
    tar.fill(' ', 148, 156);
    const sum = tar.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    writeFileSync(at(name), tar);
    return at(name);
  }

  test('refuses sizes that no member has', { timeout: 10_000 }, async () => {
    const base256 = (first: number, rest: number) =>
      Buffer.from([first, ...Buffer.alloc(11, rest)]);
    const cases: [string, Uint8Array, RegExp][] = [
      ['negative', Buffer.from('-0000001000\0'), /size\.tar: is damaged at byte 0, a size must be/],
      ['decimal', Buffer.from('00000000990\0'), /a size must be a number from 0 on, got "0+990"/],
      ['empty', Buffer.alloc(12), /a size must be a number from 0 on, got ""/],
      [
        'below zero',
        base256(0xff, 0xff),
        /a size must be .*, got a negative or impossibly large one/,
      ],
      ['beyond', base256(0x80, 0xff), /a size must be .*, got a negative or impossibly large one/],
      ['beyond the file', Buffer.from('77777777777\0'), /ends too early, in the member at byte 0/],
    ];
    for (const [what, bytes, message] of cases) {
      const path = await patched('size.tar', 124, bytes);
      await assert.rejects(names(path), { name: InputError.name, message }, what);
    }
    const gnu = Buffer.concat([Buffer.from([0x80]), Buffer.alloc(9), Buffer.from([2, 88])]);
    assert.deepEqual(await names(await patched('size.tar', 124, gnu)), ['a']);
  });

  test('takes the size that pax says', async () => {
    const record = (text: string) => `${text.length + 4} ${text}\n`;
    await writeTar(at('pax.tar'), {
      x: Buffer.from(record('size=600')),
      a: Buffer.alloc(600, 'a'),
    });
    const tar = readFileSync(at('pax.tar'));
    const retype = (offset: number, type: string, size: string) => {
      tar.write(size, offset + 124);
      tar.write(type, offset + 156);
      tar.fill(' ', offset + 148, offset + 156);
      const sum = tar.subarray(offset, offset + 512).reduce((total, byte) => total + byte, 0);
      tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, offset + 148);
    };
    retype(0, 'x', '00000000015');
    retype(1024, '0', '00000000000');
    writeFileSync(at('pax.tar'), tar);
    const members = [];
    for await (const member of listTar(at('pax.tar'))) members.push(member);
    assert.deepEqual(members, [{ name: 'a', offset: 1536, size: 600 }]);
  });

  test('gives names as they are: nothing is written by them', async () => {
    const odd = ['../up.png', '/abs.png', 'a\u001b[31m.png', 'x.png', 'x.png'];
    const file = await open(at('odd.tar'), 'w');
    const writer = new TarWriter(file);
    for (const name of odd) await writer.add(name, Buffer.from('a'));
    await writer.end();
    await file.close();
    assert.deepEqual(await names(at('odd.tar')), odd);
  });
});
