import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { JobError } from '../../src/errors.js';
import {
  expectMappedWhole,
  fromArray,
  ones,
  openSafetensors,
  saveSafetensors,
  tidy,
} from '../../src/tensor/index.js';
import { native } from '../../src/tensor/native.js';
import { temporaryFolder } from '../temp-folder.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

describe('a mapped file', () => {
  test('that is cut off ends the call that meets it with one sentence, and the process goes on', () => {
    const path = at('cut.safetensors');
    saveSafetensors(path, { w: ones([100_000]) });
    const file = openSafetensors(path);
    const w = file.get('w');
    truncateSync(path, 8192);
    assert.throws(() => w.sum().item(), {
      name: 'OperatorError',
      message:
        /^[^:]*cut\.safetensors: was cut off from \d+ to 8192 bytes while it was in use; copy/,
    });
    assert.equal(ones([3]).sum().item(), 3);
    // what the file held is gone: zeros stand there, which nothing may be computed with
    const again = { name: 'OperatorError', message: /^[^:]*cut\.safetensors: was cut off from/ };
    for (let time = 0; time < 2; time++) {
      assert.throws(() => w.sum().item(), again);
      assert.throws(() => w.slice(0, 0, 4), again);
      assert.throws(() => w.toFloat32Array(), again);
      assert.throws(() => file.get('w'), again);
      assert.throws(expectMappedWhole, { name: 'JobError', message: /cut\.safetensors: was cut/ });
    }
    assert.deepEqual([w.shape, w.dtype, ones([3]).sum().item()], [[100_000], 'float32', 3]);
    // what the system reads for a write raises no signal
    assert.throws(() => saveSafetensors(at('copy.safetensors'), { w }), JobError);
    assert.deepEqual(readdirSync(folder), ['cut.safetensors']);
    w.dispose();
    file.close();
    // with its last tensor the mapping is gone, and what is mapped at its place is read
    expectMappedWhole();
    saveSafetensors(path, { w: ones([100_000]) });
    const whole = openSafetensors(path);
    assert.equal(
      tidy(() => whole.get('w').sum().item()),
      100_000,
    );
    whole.close();
  });

  test('that loses less than a page is found when it is asked for', () => {
    const path = at('little.safetensors');
    saveSafetensors(path, { w: ones([100]) });
    const file = openSafetensors(path);
    const w = file.get('w');
    truncateSync(path, 300);
    assert.equal(w.sum().item() < 100, true);
    assert.throws(expectMappedWhole, /was cut off/);
    assert.throws(
      () => saveSafetensors(at('copy.safetensors'), { w }),
      /little\.safetensors: was cut/,
    );
    w.dispose();
    file.close();
  });

  test('that is deleted stays readable', () => {
    const path = at('gone.safetensors');
    saveSafetensors(path, { w: ones([100_000]) });
    const file = openSafetensors(path);
    const w = file.get('w');
    unlinkSync(path);
    assert.equal(w.sum().item(), 100_000);
    w.dispose();
    file.close();
  });

  test('is opened as a file only: a FIFO or a folder is refused at once', () => {
    execFileSync('mkfifo', [at('fifo')]);
    for (const path of [at('fifo'), folder, at('none'), 'a\0b']) {
      assert.throws(() => native.mapFile(path), { name: 'OperatorError' });
    }
  });
});

/** 16 bytes that may become 64, which the types of Node.js 20 do not know. */
const sizable = <B>(Kind: new (bytes: number) => B): B =>
  new (Kind as new (bytes: number, options: object) => B)(16, { maxByteLength: 64 });

describe('fromArray', () => {
  test('refuses memory that can change its size or was given away', () => {
    const resizable = new Float32Array(sizable(ArrayBuffer));
    assert.throws(() => fromArray(resizable, [4]), /can change its size/);
    const growable = new Float32Array(sizable(SharedArrayBuffer));
    assert.throws(() => fromArray(growable, [4]), /can change its size/);
    const given = new Float32Array(4);
    structuredClone(given.buffer, { transfer: [given.buffer] });
    assert.throws(() => fromArray(given, [4]), /holds 0 bytes/);
    assert.throws(() => fromArray(given, [0]), /was given away/);
    const shared = new Float32Array(new SharedArrayBuffer(16));
    assert.deepEqual([...fromArray(shared.fill(2), [4]).toFloat32Array()], [2, 2, 2, 2]);
  });

  test('keeps its memory: a message that would transfer it copies it', () => {
    const array = Float32Array.of(1, 2, 3);
    const values = fromArray(array, [3]);
    try {
      structuredClone(array.buffer, { transfer: [array.buffer] });
    } catch {
      // later versions of Node.js refuse instead
    }
    assert.deepEqual([...values.toFloat32Array()], [1, 2, 3]);
    assert.equal(array.length, 3);
  });

  test('refuses memory that is not aligned, sizes below 0 and above all memory', () => {
    const bytes = new Uint8Array(new ArrayBuffer(17), 1);
    assert.throws(() => fromArray(bytes, [4], 'float32'), /not aligned/);
    assert.throws(() => fromArray(bytes, [-4, -4]), /negative/);
    assert.throws(() => fromArray(bytes, [2 ** 40, 2 ** 40]), /too large/);
  });
});

test('a handle that is freed twice is not given to two tensors', () => {
  const [first, second] = [ones([1]), ones([2])];
  const handle = first.release();
  native.release(handle);
  native.release([handle, handle]);
  const [a, b] = [ones([3]), ones([4])];
  assert.notEqual(a.handle, b.handle);
  assert.deepEqual([second.shape, a.shape, b.shape], [[2], [3], [4]]);
});
