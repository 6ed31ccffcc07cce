import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../src/errors.js';
import {
  arange,
  call,
  cat,
  full,
  hasOperator,
  linspace,
  ones,
  ops,
  stack,
  Tensor,
  tensor,
  where,
  zeros,
} from '../../src/tensor/index.js';

const values = (x: Tensor) => [...x.toFloat32Array()];
const a = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);

describe('operators', () => {
  test('take a tensor or a number where ATen has an overload for each', () => {
    assert.deepEqual(values(a.add(a)), [2, 4, 6, 8, 10, 12]);
    assert.deepEqual(values(a.add(1)), [2, 3, 4, 5, 6, 7]);
    assert.deepEqual(values(a.pow(2)), [1, 4, 9, 16, 25, 36]);
    assert.deepEqual(values(tensor([2, 3]).pow(tensor([3, 2]))), [8, 9]);
    assert.deepEqual(values(a.gt(3).to('float32')), [0, 0, 0, 1, 1, 1]);
    assert.deepEqual(values(where(a.gt(3), a, zeros([2, 3]))), [0, 0, 0, 4, 5, 6]);
  });

  test('take keyword arguments in a last object', () => {
    assert.deepEqual(values(tensor([1, 2]).add(tensor([10, 20]), { alpha: 2 })), [21, 42]);
    const summed = a.sum([0], true, { dtype: 'float64' });
    assert.deepEqual([summed.dtype, summed.shape], ['float64', [1, 3]]);
    assert.deepEqual(
      values(a.var([1], { correction: 0 })).map((x) => +x.toFixed(5)),
      [0.66667, 0.66667],
    );
    // tanh form: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    const x = 1.5;
    const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    const gelu = tensor([x]).gelu({ approximate: 'tanh' }).item();
    assert.ok(Math.abs(gelu - 0.5 * x * (1 + Math.tanh(inner))) < 1e-6);
  });

  test('are methods and functions alike', () => {
    assert.deepEqual(values(ops.mul(a, 2)), values(a.mul(2)));
    const weight = tensor([[1, 0, -1]]);
    assert.deepEqual(values(ops.linear(a, weight, tensor([10]))), [8, 8]);
    assert.deepEqual(values(a.matmul(weight.transpose(0, 1))), [-2, -2]);
  });

  test('change a tensor in place and return it', () => {
    const x = ones([3]);
    assert.equal(x.add_(1).mul_(3), x);
    assert.deepEqual(values(x), [6, 6, 6]);
    x.narrow(0, 1, 1).copy_(tensor([-1]));
    assert.deepEqual(values(x), [6, -1, 6]);
  });

  test('return lists as arrays', () => {
    const [first, second] = a.chunk(2, 0);
    assert.deepEqual(
      [values(first!), values(second!)],
      [
        [1, 2, 3],
        [4, 5, 6],
      ],
    );
    assert.deepEqual(
      a.split(2, 1).map((part) => part.shape),
      [
        [2, 2],
        [2, 1],
      ],
    );
    const [largest, places] = a.topk(1, 1);
    assert.deepEqual([values(largest!), values(places!), places!.dtype], [[3, 6], [2, 2], 'int64']);
  });

  test('keep whole numbers whole where ATen does', () => {
    const counted = arange(5);
    assert.equal(counted.dtype, 'int64');
    assert.equal(counted.add(1).dtype, 'int64');
    assert.deepEqual(counted.add(1).toArray(), BigInt64Array.of(1n, 2n, 3n, 4n, 5n));
    assert.equal(counted.mul(0.5).dtype, 'float32');
    assert.deepEqual(values(arange(1, 2, 0.25)), [1, 1.25, 1.5, 1.75]);
    assert.equal(full([2], 3).dtype, 'float32');
    assert.equal(full([2], 3, { dtype: 'int32' }).dtype, 'int32');
    assert.deepEqual(values(linspace(0, 1, 5)), [0, 0.25, 0.5, 0.75, 1]);
  });

  test('join and pick', () => {
    assert.deepEqual(cat([a, a], 1).shape, [2, 6]);
    assert.deepEqual(stack([a, a]).shape, [2, 2, 3]);
    const ids = tensor([1, 0, 1], { dtype: 'int64' });
    assert.deepEqual(values(a.indexSelect(0, ids)), [4, 5, 6, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(values(a.slice(1, 0, 3, 2)), [1, 3, 4, 6]);
    assert.deepEqual(values(a.permute([1, 0]).contiguous()), [1, 4, 2, 5, 3, 6]);
  });
});

describe('call', () => {
  test('reaches operators that have no wrapper', () => {
    assert.deepEqual(values(call('aten::add.Tensor', a, a, 3)), [4, 8, 12, 16, 20, 24]);
    assert.ok(Math.abs(call('aten::logaddexp', tensor([0]), tensor([0])).item() - Math.LN2) < 1e-6);
    assert.ok(hasOperator('aten::logaddexp'));
    const [values_, indices] = call<Tensor[]>('aten::max.dim', a, 1, false);
    assert.deepEqual(
      [values(values_!), values(indices!)],
      [
        [3, 6],
        [2, 2],
      ],
    );
    assert.equal(call<boolean>('aten::is_same_size', a, a), true);
  });

  test('says which operator this LibTorch has not', () => {
    assert.throws(() => call('aten::no_such_operator', a), {
      name: 'OperatorError',
      message: /^aten::no_such_operator: LibTorch \S+ has no such operator$/,
    });
    assert.equal(hasOperator('aten::no_such_operator'), false);
  });
});

describe('OperatorError', () => {
  const refused = (fn: () => unknown, ...parts: string[]) =>
    assert.throws(fn, (error: Error) => {
      assert.ok(error instanceof OperatorError, String(error));
      assert.doesNotMatch(error.message, /\n/);
      for (const part of parts) assert.ok(error.message.includes(part), error.message);
      return true;
    });

  test('names operator and shapes in one line', () => {
    refused(() => a.matmul(ones([2, 4])), 'matmul', '[2, 3]', '[2, 4]');
    refused(() => a.add(ones([7])), 'add', '[2, 3]', '[7]');
    refused(() => a.view([5]), 'view', '[5]');
    refused(() => cat([a, ones([2, 3, 1])]), 'cat');
    refused(() => ops.embedding(a, tensor([9], { dtype: 'int64' })), 'embedding');
  });

  test('also for arguments of a wrong kind or number', () => {
    refused(() => call('aten::add.Tensor', a), 'aten::add', 'other');
    refused(() => call('aten::add.Tensor', a, 'text'), 'aten::add', 'other');
    refused(() => call('aten::neg', a, 1, 2), 'aten::neg', 'takes 1 argument, got 3');
    refused(() => a.backward(), 'backward');
  });

  test('leaves everything usable', () => {
    assert.deepEqual(values(a.sum()), [21]);
    assert.ok(a instanceof Tensor);
  });
});
