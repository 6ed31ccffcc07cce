import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MfmError, OperatorError, ShapeError } from '../../src/errors.js';
import { type DType, fromArray, ones, type Tensor, tensor, zeros } from '../../src/tensor/index.js';

const values = (x: Tensor) => [...x.toFloat32Array()];

describe('tensor', () => {
  test('takes numbers, nested arrays and typed arrays', () => {
    assert.deepEqual(tensor(3).shape, []);
    assert.equal(tensor(3).item(), 3);
    const x = tensor([
      [[1], [2]],
      [[3], [4]],
    ]);
    assert.deepEqual([x.shape, x.dtype, x.ndim, x.numel], [[2, 2, 1], 'float32', 3, 4]);
    assert.equal(tensor([true, false]).dtype, 'bool');
    assert.equal(tensor(new Int32Array([1, 2])).dtype, 'int32');
    assert.equal(tensor(BigInt64Array.of(1n)).dtype, 'int64');
    assert.deepEqual(tensor(new Float32Array(6), { shape: [2, 3] }).shape, [2, 3]);
    assert.deepEqual(tensor([], { shape: [0, 4] }).shape, [0, 4]);
  });

  test('keeps int64 and float64 exact', () => {
    const big = 2 ** 53 - 1;
    assert.equal(tensor([big], { dtype: 'int64' }).item(), big);
    assert.equal(tensor([0.1], { dtype: 'float64' }).item(), 0.1);
  });

  test('keeps whole numbers exact in every integer dtype', () => {
    for (const [dtype, value] of [
      ['int32', 2 ** 24 + 1],
      ['int32', -(2 ** 31)],
      ['int16', -32_768],
      ['int8', -128],
      ['uint8', 255],
    ] as const) {
      const x = tensor([[value, 0]], { dtype });
      assert.deepEqual([x.dtype, x.shape, [...x.toArray()]], [dtype, [1, 2], [value, 0]]);
    }
    assert.deepEqual(values(tensor([1.7, -1.7], { dtype: 'int32' })), [1, -1]);
    assert.deepEqual(values(tensor([true, false], { dtype: 'int32' })), [1, 0]);
    assert.deepEqual(values(tensor([0.5, 0], { dtype: 'bool' })), [1, 0]);
  });

  test('takes the bits of 16-bit floats, as fromArray does', () => {
    const bits = {
      bfloat16: Uint16Array.of(0x3fc0, 0xc000),
      float16: Uint16Array.of(0x3e00, 0xc000),
    };
    for (const dtype of ['bfloat16', 'float16'] as const) {
      const x = tensor(bits[dtype], { dtype });
      assert.deepEqual([x.dtype, values(x)], [dtype, [1.5, -2]]);
    }
  });

  test('copies: later changes of the array do not show', () => {
    const array = new Float32Array([1, 2]);
    const x = tensor(array);
    array[0] = 9;
    assert.deepEqual(values(x), [1, 2]);
  });

  test('rejects ragged arrays and shapes that do not fit', () => {
    assert.throws(() => tensor([[1, 2], [3]]), ShapeError);
    assert.throws(() => tensor(new Float32Array(5), { shape: [2, 3] }), MfmError);
    assert.throws(() => tensor(new Uint16Array(2)), /have no dtype of their own; pass one/);
  });
});

describe('fromArray and data', () => {
  test('share memory, each seeing what the other writes', () => {
    const array = new Float32Array([1, 2, 3, 4]);
    const x = fromArray(array, [2, 2]);
    array[3] = 40;
    assert.deepEqual(values(x), [1, 2, 3, 40]);
    x.mul_(2);
    assert.deepEqual([...array], [2, 4, 6, 80]);
    const view = x.data() as Float32Array;
    view[0] = -1;
    assert.equal(array[0], -1);
    assert.deepEqual(values(x.select(0, 0)), [-1, 4]);
  });

  test('reinterpret 16-bit floats', () => {
    const bits = new Uint16Array([0x3f80, 0xc000, 0x7f80]); // bfloat16: 1, -2, ∞
    const x = fromArray(bits, [3], 'bfloat16');
    assert.equal(x.dtype, 'bfloat16');
    assert.deepEqual(values(x), [1, -2, Infinity]);
    x.data()[0] = 0x4040; // 3
    assert.equal(bits[0], 0x4040);
    assert.deepEqual([...x.toArray()], [3, -2, Infinity]);
    assert.deepEqual(values(fromArray(new Uint16Array([0x3c00]), [1], 'float16')), [1]);
  });

  test('a part of a larger buffer is read from its own place', () => {
    const whole = new Float32Array([0, 1, 2, 3]);
    assert.deepEqual(values(fromArray(whole.subarray(2), [2])), [2, 3]);
  });

  test('an array too short for the shape is refused', () => {
    assert.throws(() => fromArray(new Float32Array(3), [2, 2]), OperatorError);
  });

  test('data needs a contiguous tensor', () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ]);
    assert.throws(() => x.transpose(0, 1).data(), OperatorError);
    assert.deepEqual([...(x.select(0, 1).data() as Float32Array)], [3, 4]);
  });

  test('data outlives its tensor', () => {
    const x = ones([1000]);
    const view = x.data() as Float32Array;
    x.dispose();
    for (let i = 0; i < 50; i++) zeros([1000]).dispose();
    assert.ok(view.every((value) => value === 1));
  });
});

describe('reading', () => {
  test('toArray gives each dtype its array, in row-major order', () => {
    const kinds: [DType, string][] = [
      ['float32', 'Float32Array'],
      ['float64', 'Float64Array'],
      ['bfloat16', 'Float32Array'],
      ['float16', 'Float32Array'],
      ['int64', 'BigInt64Array'],
      ['int32', 'Int32Array'],
      ['int16', 'Int16Array'],
      ['int8', 'Int8Array'],
      ['uint8', 'Uint8Array'],
      ['bool', 'Uint8Array'],
    ];
    for (const [dtype, name] of kinds) {
      const array = tensor([
        [0, 1],
        [1, 0],
      ])
        .to(dtype)
        .transpose(0, 1)
        .narrow(0, 1, 1)
        .toArray();
      assert.equal(array.constructor.name, name, dtype);
      assert.deepEqual([...array].map(Number), [1, 0], dtype);
    }
  });

  test('to converts, and returns the tensor itself when nothing changes', () => {
    const x = tensor([1.5, -2.5]);
    assert.equal(x.to('float32'), x);
    assert.equal(x.to('cpu'), x);
    assert.deepEqual(x.to('int32').toArray(), Int32Array.of(1, -2));
    assert.equal(x.to('meta').device, 'meta');
  });

  test('dims, size and item check the shape', () => {
    const x = zeros([2, 3, 4]);
    const [b, l, d] = x.dims(3);
    assert.deepEqual([b, l, d], [2, 3, 4]);
    assert.deepEqual([x.size(0), x.size(-1)], [2, 4]);
    assert.throws(() => x.dims(2), { name: 'ShapeError', message: /2 dimensions.*\[2, 3, 4\]/ });
    assert.throws(() => x.size(3), { name: 'ShapeError', message: /3.*\[2, 3, 4\]/ });
    assert.throws(() => x.size(-4), ShapeError);
    assert.throws(() => x.item(), { name: 'ShapeError', message: /\[2, 3, 4\]/ });
  });

  test('prints itself in one line', () => {
    const x = zeros([2, 3], { dtype: 'bfloat16' });
    assert.equal(String(x), 'Tensor([2, 3], bfloat16, cpu)');
    x.dispose();
    assert.equal(String(x), 'Tensor(freed)');
  });
});
