import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { Linear, Module, RMSNorm, withParameters } from '../../src/nn/index.js';
import {
  manualSeed,
  memoryInfo,
  noGrad,
  ones,
  openSafetensors,
  saveSafetensors,
  type Tensor,
  tidy,
  zeros,
} from '../../src/tensor/index.js';
import { temporaryFolder } from '../temp-folder.js';

const folder = temporaryFolder();

/** Two blocks of a norm and a projection, a table of its own, and an output. */
class Net extends Module {
  table: Tensor;
  readonly blocks: Block[];
  readonly output: Linear;

  constructor() {
    super();
    this.output = this.child('proj_out', new Linear(4, 2));
    this.table = this.param('scale_shift_table', ones([2, 4]), 'table');
    this.blocks = this.childList('blocks', [new Block(), new Block()]);
  }
}

class Block extends Module {
  readonly norm = this.child('norm1', new RMSNorm(4));
  readonly toQ = this.child('attn.to_q', new Linear(4, 4, { bias: false }));
}

const NAMES = [
  'scale_shift_table',
  'proj_out.weight',
  'proj_out.bias',
  'blocks.0.norm1.weight',
  'blocks.0.attn.to_q.weight',
  'blocks.1.norm1.weight',
  'blocks.1.attn.to_q.weight',
];

const refuses = (fn: () => void, ...parts: (string | RegExp)[]) =>
  assert.throws(fn, (error: Error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.doesNotMatch(error.message, /\n/);
    for (const part of parts) assert.match(error.message, new RegExp(part));
    return true;
  });

describe('Module', () => {
  test('names parameters as they were registered, its own first', () => {
    const net = new Net();
    assert.deepEqual([...net.namedParameters().keys()], NAMES);
    assert.deepEqual([...net.stateDict().keys()], NAMES);
    assert.equal(net.parameterCount(), 8 + 8 + 2 + 2 * (4 + 16));
    assert.equal(net.modules().length, 1 + 1 + 2 * 3);
  });

  test('its parameters outlive scopes, need gradients, and end with dispose', () => {
    const before = memoryInfo().tensors;
    const net = tidy(() => ({ net: new Net() })).net;
    assert.ok(net.parameters().every((p) => !p.isDisposed && p.requiresGrad && p.isLeaf));
    assert.equal(memoryInfo().tensors - before, NAMES.length);
    net.dispose();
    assert.equal(memoryInfo().tensors, before);
  });

  test('switches training, gradients and dtype everywhere', () => {
    const net = new Net().eval().requiresGrad_(false).toDtype('bfloat16');
    assert.ok(net.modules().every((module) => !module.training));
    assert.ok(net.parameters().every((p) => p.dtype === 'bfloat16' && !p.requiresGrad));
    assert.equal(net.output.weight, net.namedParameters().get('proj_out.weight'));
    net.requiresGrad_(true).train().toDtype('float32');
    assert.ok(net.parameters().every((p) => p.dtype === 'float32' && p.requiresGrad && p.isLeaf));
    assert.equal(net.blocks[1]!.norm.training, true);
  });

  test('zeroGrad drops gradients', () => {
    const net = new Net();
    net.table.sum().backward();
    assert.ok(net.table.grad);
    net.zeroGrad();
    assert.equal(net.table.grad, null);
  });
});

describe('loadStateDict', () => {
  const source = () =>
    new Map([...new Net().stateDict()].map(([name, t], i) => [name, t.zerosLike().add(i)]));

  test('takes Maps, records and open files, with a prefix', () => {
    const values = source();
    const prefixed = Object.fromEntries([...values].map(([name, t]) => [`model.${name}`, t]));
    const path = join(folder, 'prefixed.safetensors');
    saveSafetensors(path, { ...prefixed, 'other.weight': ones([1]) });
    const [fromMap, fromRecord, fromFile] = [new Net(), new Net(), new Net()];
    fromMap.loadStateDict(values);
    fromRecord.loadStateDict(prefixed, { prefix: 'model.' });
    const file = openSafetensors(path);
    fromFile.loadStateDict(file, { prefix: 'model.' });
    file.close();
    for (const net of [fromMap, fromRecord, fromFile]) {
      [...net.parameters()].forEach((p, i) => {
        assert.ok(p.toFloat32Array().every((value) => value === i));
        assert.ok(p.requiresGrad && p.isLeaf);
      });
    }
  });

  test('does not copy mapped weights; where the dtype differs it converts', () => {
    const path = join(folder, 'large.safetensors');
    const size = 1024;
    saveSafetensors(path, { weight: ones([size, size]), bias: zeros([size]) });
    const file = openSafetensors(path);
    const make = () => withParameters({ device: 'meta' }, () => new Linear(size, size));
    const before = memoryInfo().usedBytes;
    const mapped = make();
    mapped.loadStateDict(file);
    assert.ok(memoryInfo().usedBytes - before < 4096);
    assert.equal(mapped.weight.device, 'cpu');
    const converted = make();
    converted.loadStateDict(file, { dtype: 'bfloat16' });
    assert.equal(converted.weight.dtype, 'bfloat16');
    assert.ok(memoryInfo().usedBytes - before >= size * size * 2);
    file.close();
    assert.equal(mapped.weight.sum().item(), size * size);
  });

  test('is strict: lists the first five of each kind and the count, and changes nothing', () => {
    const net = new Net();
    const before = net.output.weight.toFloat32Array();
    refuses(
      () => net.loadStateDict({ 'proj_out.weight': zeros([2, 4]) }, { where: 'w.safetensors' }),
      '^w.safetensors: missing 6 tensors \\(scale_shift_table, proj_out.bias, blocks.0.norm1.weight, blocks.0.attn.to_q.weight, blocks.1.norm1.weight, …\\)$',
    );
    const values = source();
    values.delete('proj_out.bias');
    values.set('extra.weight', ones([1])).set('proj_out.weight', ones([4, 2]));
    refuses(
      () => net.loadStateDict(values),
      'missing 1 tensor \\(proj_out.bias\\)',
      'unexpected 1 tensor \\(extra.weight\\)',
      'misshapen 1 tensor \\(proj_out.weight must be \\[2, 4\\], got \\[4, 2\\]\\)',
    );
    assert.deepEqual(net.output.weight.toFloat32Array(), before);
  });

  test('a refused load leaves no tensors behind', () => {
    const net = new Net();
    const values = source();
    values.delete('proj_out.bias');
    const before = memoryInfo().tensors;
    assert.throws(() => tidy(() => net.loadStateDict(values)));
    assert.equal(memoryInfo().tensors, before);
  });

  test('strict: false loads the rest, but never another shape', () => {
    const net = new Net();
    const only = { 'proj_out.bias': ones([2]), 'extra.weight': ones([1]) };
    net.loadStateDict(only, { strict: false });
    assert.deepEqual([...net.output.bias!.toFloat32Array()], [1, 1]);
    refuses(
      () => net.loadStateDict({ 'proj_out.bias': ones([3]) }, { strict: false }),
      'misshapen',
    );
  });

  test('what was loaded is apart from a plain source: training does not change it', () => {
    const values = source();
    const net = new Net();
    net.loadStateDict(values, { dtype: 'float64' });
    noGrad(() => net.table.add_(1));
    assert.equal(values.get('scale_shift_table')!.sum().item(), 0);
  });
});

describe('withParameters', () => {
  test('builds on the meta device without memory', () => {
    const before = memoryInfo().usedBytes;
    const net = withParameters({ device: 'meta' }, () => new Linear(4096, 4096));
    assert.equal(net.weight.device, 'meta');
    assert.equal(memoryInfo().usedBytes, before);
    assert.equal(net.parameterCount(), 4096 * 4097);
  });

  test('sets the dtype, and ends with its function, also after an error', () => {
    const made = withParameters({ dtype: 'bfloat16' }, () => new Linear(2, 2));
    assert.equal(made.weight.dtype, 'bfloat16');
    assert.throws(() =>
      withParameters({ dtype: 'bfloat16' }, () => {
        throw new Error('no');
      }),
    );
    assert.equal(new Linear(2, 2).weight.dtype, 'float32');
  });

  test('draws the same values for the same seed, whatever the dtype', () => {
    manualSeed(5);
    const wide = new Linear(3, 3).weight.to('bfloat16').toFloat32Array();
    manualSeed(5);
    const narrow = withParameters({ dtype: 'bfloat16' }, () => new Linear(3, 3));
    assert.deepEqual(narrow.weight.toFloat32Array(), wide);
  });
});
