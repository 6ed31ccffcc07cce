import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseT5Config, relativePositionBucket, T5Encoder } from '../../../src/models/t5/index.js';
import {
  arange,
  manualSeed,
  noGrad,
  type Tensor,
  tensor,
  tidy,
} from '../../../src/tensor/index.js';

const TINY = {
  vocab_size: 20,
  d_model: 12,
  d_kv: 5,
  d_ff: 16,
  num_layers: 2,
  num_heads: 3,
  feed_forward_proj: 'gated-gelu',
};

function tiny(): T5Encoder {
  manualSeed(1);
  return new T5Encoder(parseT5Config(TINY)).initialise();
}

const int = (values: number[][]) => tensor(values, { dtype: 'int64' });
const worst = (a: Tensor, b: Tensor) => a.sub(b).abs().amax().item();
const inScope = (fn: () => void) => () => noGrad(() => tidy(fn));

describe('T5Encoder', () => {
  test(
    'does not see masked tokens, on the right or on the left',
    inScope(() => {
      const model = tiny();
      const rightMask = int([[1, 1, 1, 0, 0]]);
      const right = (tail: number[]) => model.forward(int([[5, 6, 7, ...tail]]), rightMask);
      assert.equal(worst(right([0, 0]).narrow(1, 0, 3), right([9, 8]).narrow(1, 0, 3)), 0);
      const left = model.forward(int([[0, 0, 5, 6, 7]]), int([[0, 0, 1, 1, 1]]));
      const alone = model.forward(int([[5, 6, 7]]));
      // sums of another length
      assert.ok(worst(left.narrow(1, 2, 3), alone) < 1e-5);
      const open = model.forward(int([[5, 6, 7, 9, 8]]));
      assert.ok(worst(open.narrow(1, 0, 3), alone) > 1e-3);
    }),
  );

  test(
    'attends evenly where everything is masked, in bfloat16 too',
    inScope(() => {
      for (const dtype of ['float32', 'bfloat16'] as const) {
        const model = tiny().toDtype(dtype);
        model.forward(int([[3, 4, 5, 6]]), int([[0, 0, 0, 0]]), (name, value) => {
          if (!name.startsWith('attentions')) return;
          for (const weight of value.toFloat32Array()) assert.equal(weight, 0.25);
        });
      }
    }),
  );

  test('passes gradients to every parameter', () => {
    tidy(() => {
      const model = tiny();
      model
        .forward(int([[3, 4, 5, 1]]))
        .square()
        .sum()
        .backward();
      for (const [name, parameter] of model.namedParameters()) assert.ok(parameter.grad, name);
    });
  });

  test(
    'loads with the embedding under either name',
    inScope(() => {
      const model = tiny();
      const state = model.stateDict();
      const ids = int([[3, 4, 5, 1]]);
      const renamed = new Map(state);
      renamed.delete('shared.weight');
      renamed.set('encoder.embed_tokens.weight', state.get('shared.weight')!);
      for (const source of [state, renamed]) {
        const other = new T5Encoder(parseT5Config(TINY));
        other.loadStateDict(source);
        assert.equal(worst(other.forward(ids), model.forward(ids)), 0);
      }
      assert.ok(state.has('encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight'));
      assert.ok(state.has('encoder.block.1.layer.1.DenseReluDense.wi_1.weight'));
    }),
  );

  test('refuses what it does not follow by name', () => {
    assert.throws(() => parseT5Config({ ...TINY, d_mdoel: 3 }), /d_mdoel/);
    assert.throws(() => parseT5Config({ ...TINY, dense_act_fn: 'relu' }), /dense_act_fn/);
    assert.throws(() => parseT5Config({ ...TINY, feed_forward_proj: 'tanh' }), /feed_forward_proj/);
  });
});

describe('relativePositionBucket', () => {
  test(
    'is exact near by, logarithmic far away and split by side',
    inScope(() => {
      const options = { numBuckets: 32, maxDistance: 128 };
      const bucket = (position: number) =>
        relativePositionBucket(tensor([position], { dtype: 'int64' }), options).item();
      for (let distance = 0; distance < 8; distance++) {
        assert.equal(bucket(-distance), distance);
        if (distance) assert.equal(bucket(distance), 16 + distance);
      }
      assert.equal(bucket(-8), 8);
      assert.equal(bucket(-16), 10); // 8 + 8 · log(2) / log(16)
      assert.equal(bucket(-1000), 15);
      assert.equal(bucket(1000), 31);
      const all = relativePositionBucket(arange(0, 300), options).toArray();
      for (let i = 2; i < all.length; i++) assert.ok(all[i] >= all[i - 1]);
    }),
  );
});
