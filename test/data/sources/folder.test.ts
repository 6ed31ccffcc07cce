import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import type { Entry } from '../../../src/data/sources/items.js';
import { readEntries } from '../../../src/data/sources/manifest.js';
import { InputError } from '../../../src/errors.js';
import { fromRoot } from '../../../src/files/package-root.js';
import { temporaryFolder } from '../../temp-folder.js';

const gecko = fromRoot('examples/media/gecko.jpg');
const root = temporaryFolder();

/** Empty files, or texts, in a folder of their own. */
function make(folder: string, files: readonly string[] | Record<string, string | Uint8Array>) {
  const all = Array.isArray(files) ? files.map((name) => [name, '']) : Object.entries(files);
  for (const [name, content] of all as [string, string][]) {
    const path = join(root, folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
  }
  return join(root, folder);
}

/** What is told of each entry, paths within the folder, and the notes. */
async function read(folder: string): Promise<{ told: string[]; notes: string[] }> {
  const entries: Entry[] = [];
  const notes: string[] = [];
  const short = (text: string) => text.replaceAll(`${folder}/`, '').replace(folder, 'SET');
  const onNote = (note: string) => notes.push(short(note));
  for await (const entry of readEntries(folder, { onNote })) entries.push(entry);
  const told = entries.map((entry) =>
    'problem' in entry
      ? short(entry.problem.message)
      : `${short(entry.where)} "${entry.item.prompt}"`,
  );
  return { told, notes };
}

describe('a folder', () => {
  test('gives every kind that may be read, by its ending in any case or by what it holds', async () => {
    const names = [
      'a.BMP',
      'b.MPG',
      'c.m2ts',
      'd.MTS',
      'e.vob',
      'f.ogv',
      'g.wmv',
      'h.3GP',
      'i.TIFF',
    ];
    const folder = make('kinds', [...names, 'j.heic', 'k.asf', 'l.jfif', 'm.avif']);
    copyFileSync(gecko, join(folder, 'n.jpg_large'));
    copyFileSync(gecko, join(folder, 'o'));
    const { told, notes } = await read(folder);
    const all = [...names, 'j.heic', 'k.asf', 'l.jfif', 'm.avif', 'n.jpg_large', 'o'];
    assert.deepEqual(
      told,
      all.map((name) => `${name} ""`),
    );
    assert.deepEqual(notes, []);
  });

  test('names what nobody reads, counts what is no picture, and is silent about texts', async () => {
    const media = ['a.png', 'b.NEF', 'c.svg', 'd.zip', 'e.exr'];
    const others = ['f.mp3', 'g.wav', 'h.MP3', 'i.parquet', 'j'];
    const texts = ['k.json', 'l.yaml', 'Thumbs.db', '.DS_Store', 'a.xmp', 'a.safetensors', 'x.txt'];
    const folder = make('passed', [...media, ...others, ...texts]);
    writeFileSync(join(folder, 'code.ts'), 'export const one = 1;\n');
    const { told, notes } = await read(folder);
    assert.equal(told[0], 'a.png ""');
    assert.match(told[1]!, /^b\.NEF: is a camera's raw file, which is not read; develop it/);
    assert.match(told[2]!, /^c\.svg: is SVG \(a drawing\), which is not read; export it as PNG$/);
    assert.match(told[3]!, /^d\.zip: is an archive, which is not read; unpack it/);
    assert.match(
      told[4]!,
      /^e\.exr: is OpenEXR \(16- or 32-bit floats\), which is not read; convert it/,
    );
    assert.equal(told.length, 5);
    assert.deepEqual(notes, [
      'SET: 6 files are passed over: .mp3 2, .ts 1, .wav 1, .parquet 1, without an ending 1 (code.ts, f.mp3, g.wav, …)',
    ]);
  });

  test('has captions and masks in capitals too, the own case first', async () => {
    const folder = make('capitals', {
      'A.JPG': '',
      'A.TXT': 'of A',
      'b.png': '',
      'B.Txt': 'of B',
      'c.png': '',
      'c.caption': 'of c',
      'd.png': '',
      'd.TXT': 'of d',
      'D.txt': 'of D',
      'a_MASK.png': '',
    });
    assert.deepEqual((await read(folder)).told, [
      ...['A.JPG "of A"', 'b.png "of B"', 'c.png "of c"', 'd.png "of d"'],
    ]);
  });

  test('decodes captions, and leaves out an item whose caption is none', async () => {
    const folder = make('captions', {
      'a.png': '',
      'a.txt': Buffer.from('\uFEFFin UTF-16', 'utf16le'),
      'b.png': '',
      'b.txt': '\uFEFFwith a mark',
      'c.png': '',
      'c.txt': Buffer.from('caf\xe9', 'latin1'),
      'd.png': '',
      'd.txt': Buffer.from('no mark', 'utf16le'),
      'e.png': '',
      'e.txt': Buffer.alloc(2 ** 21, 'e'),
    });
    const { told } = await read(folder);
    assert.deepEqual(told.slice(0, 2), ['a.png "in UTF-16"', 'b.png "with a mark"']);
    assert.match(told[2]!, /^c\.txt: is not text in UTF-8; save it as UTF-8$/);
    assert.match(told[3]!, /^d\.txt: holds NUL characters/);
    assert.match(told[4]!, /^e\.txt: must be a text of at most 1048576 bytes/);
  });

  test('is walked once wherever links lead, and links to its own files count once', async () => {
    const folder = make('links', ['a.png', 'sub/b.png', 'sub/deep/c.png']);
    make('elsewhere', ['d.png']);
    symlinkSync('.', join(folder, 'latest'));
    symlinkSync('../..', join(folder, 'sub/deep/up'));
    symlinkSync('sub', join(folder, 'again'));
    symlinkSync('itself', join(folder, 'itself'));
    symlinkSync('../elsewhere', join(folder, 'other'));
    symlinkSync('a.png', join(folder, 'same.png'));
    symlinkSync('gone.png', join(folder, 'broken.png'));
    symlinkSync('../../a.png', join(folder, 'sub/deep/captioned.png'));
    writeFileSync(join(folder, 'sub/deep/captioned.txt'), 'a caption of its own');
    const { told, notes } = await read(folder);
    assert.deepEqual(
      told.map((line) => line.replace('again/', 'sub/')),
      [
        ...['sub/b.png ""', 'sub/deep/c.png ""', 'sub/deep/captioned.png "a caption of its own"'],
        ...['broken.png: is a link to a file that does not exist', 'itself: is a link to itself'],
        'other/d.png ""',
      ],
    );
    assert.deepEqual(notes, ['SET: 2 files are passed over: link 2 (a.png, same.png)']);
  });

  test('keeps hard links, and links to files that lie elsewhere', async () => {
    const folder = make('blobs/snapshot', ['x.txt']);
    make('blobs/store', { '0a1b': 'bytes' });
    symlinkSync('../store/0a1b', join(folder, 'a.png'));
    writeFileSync(join(folder, 'b.png'), '');
    linkSync(join(folder, 'b.png'), join(folder, 'c.png'));
    assert.deepEqual((await read(folder)).told, ['a.png ""', 'b.png ""', 'c.png ""']);
  });

  test('with a pipe in it is read all the same', async () => {
    const folder = make('pipes', ['a.png']);
    execFileSync(
      'mkfifo',
      ['b.png', 'c.tar', 'a.txt'].map((name) => join(folder, name)),
    );
    const { told } = await read(folder);
    assert.deepEqual(told, [
      'c.tar: is a pipe, but only files can be read; save its output to a file first',
      'a.txt: is a pipe, but only files can be read; save its output to a file first',
      'b.png: is a pipe, but only files can be read; save its output to a file first',
    ]);
    await assert.rejects(read(join(folder, 'b.png')), {
      name: InputError.name,
      message: /is a pipe, but only files can be read/,
    });
  });

  test('says which list or file beside its manifest is not read', async () => {
    const listed = make('listed', {
      'manifest.jsonl': '{"image": "a.png", "mask": "a-hole.png"}\n',
      'a.png': '',
      'a-hole.png': '',
      'b.png': '',
      'c.mp4': '',
    });
    assert.deepEqual((await read(listed)).notes, [
      'SET: 2 files are passed over: .png not in manifest.jsonl 1, .mp4 not in manifest.jsonl 1 (b.png, c.mp4)',
    ]);
    const beside = make('beside', { 'a.png': '', 'metadata.csv': 'image,prompt\na.png,a cat\n' });
    assert.deepEqual((await read(beside)).notes, [
      'metadata.csv: is not read, as the list of a folder is called manifest.jsonl; rename it, or name it instead of the folder',
    ]);
  });

  test('with nothing to read says what it holds instead', async () => {
    const folder = make('sounds', ['a.mp3', 'b.mp3']);
    await assert.rejects(read(folder), /holds no pictures or clips \(.* passed over: \.mp3 2 /);
  });
});
