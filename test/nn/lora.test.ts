import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import type { Transformer3D } from '../../src/models/transformer/index.js';
import {
  addLora,
  applyLora,
  Linear,
  LoraConfig,
  type LoraLayers,
  Module,
  mergeLora,
  withParameters,
} from '../../src/nn/index.js';
import { AdamW } from '../../src/optim/index.js';
import {
  checkpoint,
  Generator,
  manualSeed,
  memoryInfo,
  noGrad,
  randn,
  tidy,
} from '../../src/tensor/index.js';
import { maxDifference, tinyInputs, tinyModel } from '../models/transformer/tiny.js';

const CONFIG = LoraConfig.parse({ rank: 3, alpha: 6 });

/** B as if it had been trained: at first it is zero. */
function liven(layers: LoraLayers): LoraLayers {
  const generator = new Generator(5);
  noGrad(() => {
    for (const [name, value] of layers.namedParameters()) {
      if (name.endsWith('lora_B.weight')) value.normal_(0, 0.2, { generator });
    }
  });
  return layers;
}

const run = (model: Transformer3D, wrapBlock?: typeof checkpoint) =>
  model.predict(tinyInputs().latents, { ...tinyInputs(), wrapBlock });

describe('LoraConfig', () => {
  test('alpha is the rank unless it is given', () => {
    const { rank, alpha, targets } = LoraConfig.parse({});
    assert.deepEqual([rank, alpha], [16, 16]);
    assert.deepEqual(targets, ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'fc1', 'fc2']);
    assert.equal(LoraConfig.parse({ rank: 4 }).alpha, 4);
    assert.equal(LoraConfig.parse({ rank: 4, alpha: 1.5 }).alpha, 1.5);
  });
});

describe('addLora', () => {
  test('by default gives layers to attention and MLP of every block, and trains them alone', () => {
    const model = tinyModel();
    const before = [...model.namedParameters().keys()];
    const layers = addLora(model, CONFIG, 0);
    assert.equal(layers.targets.length, 2 * (4 + 4 + 2));
    assert.ok(layers.targets.includes('transformer_blocks.1.attn2.k_proj'));
    const names = [...layers.namedParameters().keys()];
    assert.ok(names.includes('transformer_blocks.0.ff.fc1.lora_A.weight'));
    assert.ok(names.includes('transformer_blocks.0.ff.fc1.lora_B.weight'));
    assert.deepEqual(
      [...model.namedParameters().keys()],
      before,
      'the network is stored as before',
    );
    assert.ok(
      model.parameters().every((value) => !value.requiresGrad),
      'everything else is frozen',
    );
    assert.ok(
      layers.parameters().every((value) => value.requiresGrad),
      'the layers are trained',
    );
  });

  test('changes nothing at first, and A is kaiming-uniform with a = √5, so within 1/√in', () => {
    const model = tinyModel();
    const before = run(model);
    const layers = addLora(model, CONFIG, 0);
    assert.equal(maxDifference(run(model), before), 0);
    const a = layers.namedParameters().get('transformer_blocks.0.ff.fc2.lora_A.weight')!;
    assert.deepEqual(a.shape, [3, 128]);
    const [bound, values] = [Math.sqrt(6 / (6 * 128)), [...a.toFloat32Array()]];
    assert.ok(
      values.every((value) => Math.abs(value) <= bound),
      'within the bound',
    );
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length);
    // of a uniform distribution: bound / √3
    assert.ok(Math.abs(deviation / (bound / Math.sqrt(3)) - 1) < 0.1, `deviation ${deviation}`);
  });

  test('the same seed gives the same values, whatever was drawn before', () => {
    const first = addLora(tinyModel(), CONFIG, 7).parameters();
    manualSeed(99);
    const same = addLora(tinyModel(), CONFIG, 7).parameters();
    const other = addLora(tinyModel(), CONFIG, 8).parameters();
    first.forEach((value, i) => {
      assert.equal(maxDifference(value, same[i]!), 0);
    });
    assert.notEqual(maxDifference(first[0]!, other[0]!), 0);
  });

  test('targets are names, ends of names, or patterns over whole names', () => {
    const targetsOf = (...targets: string[]) =>
      addLora(tinyModel(), LoraConfig.parse({ targets }), 0).targets;
    assert.deepEqual(targetsOf('attn1.q_proj'), [
      'transformer_blocks.0.attn1.q_proj',
      'transformer_blocks.1.attn1.q_proj',
    ]);
    assert.deepEqual(targetsOf('proj_out_1'), ['proj_out_1']);
    assert.deepEqual(targetsOf('transformer_blocks.1.*.?_proj').length, 8);
    assert.equal(targetsOf('*').length, targetsOf('*.*', 'proj_out_1', 'proj_out_2').length);
  });

  test('a target that fits nothing is named, with names that there are', () => {
    const refuse = (target: string, message: RegExp) =>
      assert.throws(() => addLora(tinyModel(), LoraConfig.parse({ targets: [target] }), 0), {
        name: InputError.name,
        message,
      });
    refuse('to_q', /^lora\.targets: "to_q" matches no linear layer; .*transformer_blocks\.\*\./);
    refuse(
      'qproj',
      /"qproj" matches no linear layer; did you mean "q_proj" \(as in transformer_blocks\.\*\.attn1\.q_proj, /,
    );
    refuse('norm2', /"norm2" matches no linear layer/);
    refuse(
      'blocks.*.attn1.q_proj',
      /matches no linear layer; .*transformer_blocks\.\*\.attn1\.q_proj/,
    );
  });

  test('refuses a network that has such layers already', () => {
    const model = tinyModel();
    addLora(model, CONFIG, 0);
    assert.throws(() => addLora(model, CONFIG, 0), { message: /has a low-rank layer; merge/ });
  });

  test('no linear layer of the transformer is used past its forward', () => {
    for (const target of ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'fc1', 'fc2']) {
      for (const part of ['attn1', 'attn2', 'ff']) {
        const pattern = `transformer_blocks.0.${part}.${target}`;
        const model = tinyModel();
        const [, names] = [run(model), [...model.namedModules().keys()]];
        if (!names.includes(pattern)) continue;
        const before = run(model);
        liven(addLora(model, LoraConfig.parse({ rank: 2, targets: [pattern] }), 0));
        assert.ok(maxDifference(run(model), before) > 1e-6, `${pattern} changes the output`);
      }
    }
  });

  test('layers have the dtype of the weights', () => {
    const linear = new Net('bfloat16');
    const layers = addLora(linear, LoraConfig.parse({ rank: 2, targets: ['fc1'] }), 0);
    assert.ok(
      layers.parameters().every(({ dtype }) => dtype === 'bfloat16'),
      'all in bfloat16',
    );
    assert.equal(linear.fc1.forward(randn([2, 8]).to('bfloat16')).dtype, 'bfloat16');
  });

  test('dispose takes the layers off and frees them', () => {
    const model = new Net('float32');
    const x = randn([2, 8]);
    const before = model.fc1.forward(x);
    const tensors = memoryInfo().tensors;
    const layers = liven(addLora(model, LoraConfig.parse({ rank: 2, targets: ['*'] }), 0));
    layers.dispose();
    assert.equal(memoryInfo().tensors, tensors);
    assert.equal(maxDifference(model.fc1.forward(x), before), 0);
  });
});

class Net extends Module {
  readonly fc1: Linear;
  constructor(dtype: 'float32' | 'bfloat16') {
    super();
    this.fc1 = this.child(
      'fc1',
      withParameters({ dtype }, () => new Linear(8, 4)),
    );
  }
}

describe('gradients', () => {
  // with W' = W + s B A and G the gradient of W': that of A is s Bᵀ G, of B s G Aᵀ
  for (const [name, wrapBlock] of [
    ['are those of the changed weights', undefined],
    ['are the same under activation checkpointing', checkpoint],
  ] as const) {
    test(`of the layers ${name}`, () => {
      const model = tinyModel();
      const layers = liven(addLora(model, CONFIG, 0));
      tidy(() => run(model, wrapBlock).square().mean().backward());

      const changed = tinyModel();
      applyLora(changed, [{ weights: layers.weights() }]);
      tidy(() => run(changed).square().mean().backward());
      const weights = changed.namedParameters();
      const scale = CONFIG.alpha / CONFIG.rank;
      const parameters = layers.namedParameters();
      for (const target of layers.targets) {
        const [a, b] = ['A', 'B'].map((side) => parameters.get(`${target}.lora_${side}.weight`)!);
        const g = weights.get(`${target}.weight`)!.grad!;
        const [wantedA, wantedB] = noGrad(() => [
          b!.transpose(0, 1).matmul(g).mul(scale),
          g.matmul(a!.transpose(0, 1)).mul(scale),
        ]);
        for (const [got, wanted] of [
          [a!.grad!, wantedA!],
          [b!.grad!, wantedB!],
        ] as const) {
          const size = wanted.abs().amax().item();
          assert.ok(size > 0, `${target} has a gradient`);
          // float32 rounding over two blocks
          assert.ok(maxDifference(got, wanted) < 1e-4 * size + 1e-8, `gradient of ${target}`);
        }
      }
      assert.ok(
        model.parameters().every(({ grad }) => grad === null),
        'nothing else has a gradient',
      );
    });
  }

  test('of one projection of the first block alone, under activation checkpointing', () => {
    const model = tinyModel();
    const targets = ['transformer_blocks.0.attn1.q_proj'];
    const layers = addLora(model, LoraConfig.parse({ rank: 2, targets }), 0);
    tidy(() => run(model, checkpoint).square().mean().backward());
    const b = layers.namedParameters().get(`${targets[0]}.lora_B.weight`)!;
    assert.ok(b.grad!.abs().amax().item() > 0, 'it reaches the layer');
  });

  test('ten steps of AdamW lower the loss and leave the network as it is', () => {
    const model = tinyModel();
    const before = [...model.namedParameters().values()].map((value) => value.clone());
    const layers = addLora(model, CONFIG, 0);
    const optimizer = new AdamW(layers.namedParameters());
    const losses = Array.from({ length: 10 }, () => {
      const loss = tidy(() => {
        const mean = run(model).square().mean();
        mean.backward();
        return mean.item();
      });
      optimizer.step({ learningRate: 1e-2 });
      optimizer.zeroGrad();
      return loss;
    });
    assert.ok(losses[9]! < losses[0]!, losses.join(', '));
    model.parameters().forEach((value, i) => {
      assert.equal(maxDifference(value, before[i]!), 0);
    });
  });
});

describe('mergeLora', () => {
  test('gives the same output, float32', () => {
    const model = tinyModel();
    const plain = run(model);
    const layers = liven(addLora(model, CONFIG, 0));
    const before = run(model);
    assert.ok(maxDifference(before, plain) > 1e-3, 'the layers do something');
    mergeLora(model, layers);
    assert.ok(maxDifference(run(model), before) < 1e-5, 'as before');
  });

  test('scale takes a part of the change; the opposite undoes it', () => {
    const model = tinyModel();
    const layers = liven(addLora(model, CONFIG, 0));
    const weights = layers.weights();
    const copies = new Map(
      [...weights].map(([k, v]) => [k, { ...v, a: v.a.clone(), b: v.b.clone() }]),
    );
    layers.dispose();
    const plain = run(model);
    applyLora(model, [{ weights: copies, scale: 0.5 }]);
    assert.ok(maxDifference(run(model), plain) > 1e-4, 'changed');
    applyLora(model, [{ weights: copies, scale: -0.5 }]);
    assert.ok(maxDifference(run(model), plain) < 1e-5, 'as before');
  });

  test('of bfloat16 weights to float32 keeps what bfloat16 would round away', () => {
    const model = new Net('bfloat16');
    const before = model.fc1.weight.to('float32');
    const a = randn([1, 8]);
    const b = randn([4, 1]).mul(1e-4);
    applyLora(model, [{ weights: new Map([['fc1', { a, b, alpha: 2 }]]) }], 'float32');
    const change = model.fc1.weight.sub(before);
    const wanted = b.matmul(a).mul(2);
    assert.equal(model.fc1.weight.dtype, 'float32');
    assert.ok(maxDifference(change, wanted) < 1e-7, 'the whole change is there');
  });

  test('of several the sum is rounded once', () => {
    const model = new Net('bfloat16');
    const before = model.fc1.weight.to('float32');
    const small = (seed: number) => {
      const generator = new Generator(seed);
      const [a, b] = [randn([1, 8], { generator }), randn([4, 1], { generator }).mul(0.01)];
      return { weights: new Map([['fc1', { a, b, alpha: 1 }]]), change: b.matmul(a) };
    };
    const loras = Array.from({ length: 8 }, (_, i) => small(i));
    applyLora(model, loras);
    const wanted = loras.reduce((sum, { change }) => sum.add(change), before).to('bfloat16');
    assert.equal(model.fc1.weight.dtype, 'bfloat16');
    assert.equal(maxDifference(model.fc1.weight, wanted), 0);
  });
});
