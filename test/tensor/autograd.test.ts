import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OperatorError } from '../../src/errors.js';
import {
  checkpoint,
  custom,
  enableGrad,
  Generator,
  grad,
  memoryInfo,
  noGrad,
  ones,
  onGradient,
  randn,
  type Tensor,
  tensor,
  tidy,
} from '../../src/tensor/index.js';

const values = (x: Tensor | null) => [...x!.toFloat32Array()];

describe('backward', () => {
  test('gives the derivative, and accumulates', () => {
    const x = tensor([1, 2, 3]).requiresGrad_();
    x.pow(3).sum().backward();
    assert.deepEqual(values(x.grad), [3, 12, 27]); // 3 x²
    x.mul(2).sum().backward();
    assert.deepEqual(values(x.grad), [5, 14, 29]);
    x.grad = null;
    assert.equal(x.grad, null);
  });

  test('takes the gradient of an output that is no scalar', () => {
    const x = tensor([1, 2]).requiresGrad_();
    x.square().backward(tensor([1, 10]));
    assert.deepEqual(values(x.grad), [2, 40]);
    assert.throws(() => x.square().backward(), OperatorError);
  });

  test('goes through dtype conversions, and not through detach', () => {
    const x = tensor([1, 2]).requiresGrad_();
    x.to('bfloat16').mul(3).to('float32').sum().backward();
    assert.deepEqual(values(x.grad), [3, 3]);
    assert.equal(x.detach().requiresGrad, false);
    assert.equal(x.isLeaf, true);
    assert.equal(x.mul(2).isLeaf, false);
  });
});

describe('noGrad and enableGrad', () => {
  test('switch recording and restore it, also after an error', () => {
    const x = ones([1]).requiresGrad_();
    assert.equal(x.mul(2).requiresGrad, true);
    noGrad(() => {
      assert.equal(x.mul(2).requiresGrad, false);
      enableGrad(() => assert.equal(x.mul(2).requiresGrad, true));
      assert.equal(x.mul(2).requiresGrad, false);
    });
    assert.throws(() =>
      noGrad(() => {
        throw new Error('no');
      }),
    );
    assert.equal(x.mul(2).requiresGrad, true);
  });
});

describe('grad', () => {
  test('gives gradients of chosen inputs and touches no others', () => {
    const [x, y] = [tensor([2]).requiresGrad_(), tensor([5]).requiresGrad_()];
    const [dx] = grad([x.mul(y)], [x]);
    assert.deepEqual(values(dx!), [5]);
    assert.deepEqual([x.grad, y.grad], [null, null]);
  });

  test('weights outputs, keeps the graph, and gives null for unused inputs', () => {
    const [x, y] = [tensor([2, 3]).requiresGrad_(), tensor([5]).requiresGrad_()];
    const square = x.square();
    const options = { gradOutputs: [tensor([1, 100])], retainGraph: true };
    assert.deepEqual(values(grad([square], [x], options)[0]!), [4, 600]);
    assert.deepEqual(values(grad([square], [x], options)[0]!), [4, 600]);
    assert.deepEqual(grad([square.sum()], [y], { allowUnused: true }), [null]);
    assert.throws(() => grad([x.square().sum()], [y]), OperatorError);
  });
});

describe('checkpoint', () => {
  const generator = new Generator(0);
  const weight = randn([6, 6], { generator }).requiresGrad_();
  const start = randn([4, 6], { generator });
  const other = randn([4, 6], { generator });
  const block = (x: Tensor, y: Tensor) => x.matmul(weight).tanh().mul(y).add(x);

  function gradients(run: (x: Tensor, y: Tensor) => Tensor): number[][] {
    weight.grad = null;
    const [x, y] = [start.clone().requiresGrad_(), other.clone().requiresGrad_()];
    const output = run(x.mul(2), y); // an input that is no leaf, too
    output.square().sum().backward();
    return [output, x.grad, y.grad, weight.grad].map((part) => values(part));
  }

  test('equals the plain call: output, inputs and captured parameters', () => {
    assert.deepEqual(
      gradients((x, y) => checkpoint(block, x, y)),
      gradients(block),
    );
  });

  test('nests and chains', () => {
    const twice = (x: Tensor, y: Tensor) => block(block(x, y), y);
    const nested = (x: Tensor, y: Tensor) =>
      checkpoint((a, b) => checkpoint(block, checkpoint(block, a, b), b), x, y);
    assert.deepEqual(gradients(nested), gradients(twice));
  });

  test('leaves an input without gradient alone', () => {
    weight.grad = null;
    const x = start.clone();
    checkpoint((a) => a.matmul(weight).square(), x)
      .sum()
      .backward();
    assert.equal(x.grad, null);
    assert.ok(weight.grad);
  });

  test('a frozen part before a trained one gets no gradient and stops none', () => {
    const [frozen, weight] = [ones([2]), ones([2]).requiresGrad_()];
    const before = checkpoint((x) => x.mul(frozen), ones([2]));
    checkpoint((x) => x.mul(weight), before)
      .sum()
      .backward();
    assert.deepEqual(values(weight.grad), [1, 1]);
    assert.equal(frozen.grad, null);
  });

  test('throws what the function throws in the backward pass', () => {
    let calls = 0;
    const fails = (x: Tensor) => {
      calls += 1;
      if (calls > 1) throw new Error('second time');
      return x.mul(2);
    };
    const x = ones([2]).requiresGrad_();
    const output = checkpoint(fails, x).sum();
    assert.throws(() => output.backward(), /second time/);
  });

  test('holds less than the plain call, and nothing afterwards', () => {
    const x = randn([256, 256]).requiresGrad_();
    const deep = (y: Tensor) => {
      let z = y;
      for (let i = 0; i < 8; i++) z = z.sin();
      return z;
    };
    const held = (run: () => Tensor) =>
      tidy(() => {
        const before = memoryInfo().usedBytes;
        const output = tidy(run);
        const { usedBytes } = memoryInfo();
        output.backward();
        x.grad = null;
        return usedBytes - before;
      });
    const plain = held(() => deep(x).sum());
    const checked = held(() => checkpoint(deep, x).sum());
    assert.ok(checked < plain / 4, `${checked} of ${plain} bytes`);
    const before = memoryInfo();
    for (let i = 0; i < 20; i++) held(() => checkpoint(deep, x).sum());
    assert.equal(memoryInfo().usedBytes, before.usedBytes);
    assert.equal(memoryInfo().tensors, before.tensors);
  });
});

describe('onGradient', () => {
  test('calls amid the backward pass, the last used first, and no more once ended', () => {
    const [a, b] = [tensor([2]).requiresGrad_(), tensor([3]).requiresGrad_()];
    const calls: [index: number, gradient: number, other: boolean][] = [];
    const parameters = [a, b];
    const end = onGradient(parameters, (index) => {
      const other = parameters[1 - index]!;
      calls.push([index, parameters[index]!.grad!.item(), other.grad !== null]);
    });
    a.square().mul(b).sum().backward(); // a² b
    assert.deepEqual(calls, [
      [1, 4, false],
      [0, 12, true],
    ]);
    checkpoint((x) => x.square(), a).backward();
    assert.deepEqual(calls.slice(2), [[0, 16, true]]);
    end();
    a.mul(b).backward();
    assert.equal(calls.length, 3);
  });

  test('refuses what has no gradient; an error of the callback ends the pass', () => {
    assert.throws(() => onGradient([tensor([1])], () => {}), OperatorError);
    const x = tensor([1]).requiresGrad_();
    const end = onGradient([x], () => {
      throw new RangeError('no more');
    });
    assert.throws(() => x.mul(2).backward(), { name: 'RangeError', message: 'no more' });
    end();
  });
});

describe('custom', () => {
  test('has the gradient that it is given, and none without recording', () => {
    const x = tensor([1, 2]).requiresGrad_();
    const negated = (input: Tensor) =>
      custom(
        input.mul(3),
        (y) => y.neg(),
        (g) => g.mul(10),
      );
    const y = negated(x);
    assert.deepEqual(values(y), [-3, -6]);
    y.mul(tensor([1, 2]))
      .sum()
      .backward();
    assert.deepEqual(values(x.grad), [30, 60]); // weight · 10 · 3
    assert.equal(noGrad(() => negated(x)).requiresGrad, false);
  });
});
