import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fromRoot } from '../../src/files/package-root.js';
import { memoryInfo, readTorchFile } from '../../src/tensor/index.js';
import { temporaryFolder } from '../temp-folder.js';

/** Written by PyTorch: see test/models/efficientnet/features.test.ts */
const FILE = fromRoot('test/models/efficientnet/fixtures/tiny.pth');
const bytes = readFileSync(FILE);
const folder = temporaryFolder();

/** Bytes of a file with a pickle of a state dict, whose instructions are given. */
function fileOf(name: string, instructions: readonly (string | number)[], data = ''): string {
  const plain = (part: string | number) =>
    typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part, 'latin1');
  const start = bytes.subarray(0, 21);
  const [sizes, keys] = ['\x80\x02}q\x00.', '\x80\x02]q\x00X\x01\x00\x00\x00kq\x01a.'];
  const path = join(folder, name);
  const parts = [sizes, '\x80\x02', ...instructions, '.', keys, data].map(plain);
  writeFileSync(path, Buffer.concat([start, ...parts]));
  return path;
}

const text = (value: string) => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
const STORAGE = ['((', text('storage'), 'ctorch\nFloatStorage\n', text('k'), text('cpu')];
/** A tensor of a storage with 6 numbers. */
const tensorOf = (offset: number, shape: number[], strides: number[]) => [
  ...['}', text('w'), 'ctorch._utils\n_rebuild_tensor_v2\n', ...STORAGE, 'K', 6, 'NtQ'],
  ...['K', offset, '(', ...shape.flatMap((size) => ['K', size]), 't'],
  ...['(', ...strides.flatMap((step) => ['K', step]), 't', '\x89', '}', 'tR', 's'],
];
const SIX = [1, 2, 3, 4, 5, 6];
const DATA = Buffer.concat([
  Buffer.from(new BigInt64Array([6n]).buffer),
  Buffer.from(Float32Array.from(SIX).buffer),
]).toString('latin1');

describe('readTorchFile', () => {
  test('reads names, shapes, dtypes and values', () => {
    const before = memoryInfo().tensors;
    const tensors = readTorchFile(FILE);
    const stem = tensors.get('_conv_stem.weight')!;
    assert.deepEqual(stem.shape, [4, 3, 3, 3]);
    assert.equal(stem.dtype, 'float32');
    assert.equal(tensors.get('_bn0.num_batches_tracked')!.dtype, 'int64');
    // drawn between 0.5 and 1.5
    const variance = [...tensors.get('_bn0.running_var')!.toFloat32Array()];
    assert.ok(variance.every((value) => value > 0.5 && value < 1.5));
    for (const tensor of tensors.values()) tensor.dispose();
    assert.deepEqual(memoryInfo().tensors, before);
  });

  test('follows strides and offsets within a storage', () => {
    const read = (name: string, shape: number[], strides: number[], offset = 0) => {
      const tensors = readTorchFile(fileOf(name, tensorOf(offset, shape, strides), DATA));
      const values = [...tensors.get('w')!.toFloat32Array()];
      tensors.get('w')!.dispose();
      return values;
    };
    assert.deepEqual(read('rows', [2, 3], [3, 1]), SIX);
    assert.deepEqual(read('columns', [3, 2], [1, 3]), [1, 4, 2, 5, 3, 6]);
    assert.deepEqual(read('part', [2], [2], 3), [4, 6]);
  });

  test('runs nothing, and reads nothing beyond the file', () => {
    const call = (name: string) => [`c${name}\n`, text('rm -rf x'), '\x85', 'R'];
    const cases: [string, RegExp][] = [
      [fileOf('call', call('os\nsystem')), /calls os system, which no state dict needs/],
      [fileOf('build', call('builtins\neval')), /calls builtins eval/],
      [
        fileOf('instance', ['(i', 'os\nsystem\n']),
        /an instruction that no state dict needs \(0x69\)/,
      ],
      [fileOf('beyond', tensorOf(1, [2, 3], [3, 1]), DATA), /a tensor beyond its storage/],
      [fileOf('many', tensorOf(0, [200, 200], [0, 0]), DATA), /is damaged/],
      [fileOf('cut', tensorOf(0, [2, 3], [3, 1]), DATA.slice(0, 20)), /is cut off/],
      [fileOf('list', [']']), /must hold a state dict/],
      [fileOf('numbers', ['}', text('w'), 'K', 1, 's']), /nothing but named tensors/],
      [fileOf('empty', ['s']), /is damaged/],
    ];
    const half = join(folder, 'half');
    writeFileSync(half, bytes.subarray(0, bytes.length / 2));
    const zip = join(folder, 'zip');
    writeFileSync(zip, 'PK\x03\x04');
    cases.push([half, /is cut off/], [zip, /is not a file of PyTorch before 1\.6/]);
    for (const [path, sentence] of cases) {
      assert.throws(() => readTorchFile(path), { message: sentence, exitCode: 2 });
    }
  });

  test('refuses or reads a file in which any byte is changed, and does not crash', () => {
    const path = join(folder, 'changed');
    for (let at = 0; at < 2000; at += 29) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at]! + 1 + (at % 254)) % 256;
      writeFileSync(path, changed);
      try {
        for (const tensor of readTorchFile(path).values()) tensor.dispose();
      } catch (error) {
        assert.equal((error as { exitCode?: number }).exitCode, 2, `${at}: ${error}`);
      }
    }
  });
});
