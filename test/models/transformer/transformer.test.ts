import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { velocityLoss } from '../../../src/diffusion/index.js';
import { ShapeError } from '../../../src/errors.js';
import { initialiseForTraining, ropeEmbedding } from '../../../src/models/transformer/index.js';
import { AdamW } from '../../../src/optim/index.js';
import {
  checkpoint,
  Generator,
  memoryInfo,
  noGrad,
  randn,
  resetPeakMemory,
  type Tensor,
  tensor,
  tidy,
} from '../../../src/tensor/index.js';
import { maxDifference, tinyInputs, tinyModel } from './tiny.js';

describe('Transformer3D', () => {
  test('answers with a velocity of the latents’ shape', () => {
    const { latents, ...inputs } = tinyInputs();
    for (const changes of [
      {},
      { adaln_norm_type: 'legacy', attention_bias: false },
      { use_rope: false, upcast_attention: true },
      { out_channels: 3 },
    ]) {
      const model = tinyModel(changes);
      const out = noGrad(() => model.predict(latents, inputs));
      assert.deepEqual(out.shape, [2, model.config.out_channels ?? 4, 2, 4, 6]);
    }
  });

  test('needs no more memory for more blocks, without gradients', () => {
    const extraBytes = (num_layers: number) => {
      const model = tinyModel({ num_layers });
      const { latents, pixels, mask, text, ...inputs } = tinyInputs();
      const prepared = noGrad(() => ({
        condition: model.prepareCondition(pixels, mask),
        text: model.prepareText(text),
        rope: model.prepareRope(latents),
      }));
      const run = () =>
        noGrad(() => tidy(() => void model.forward(latents, { ...inputs, ...prepared })));
      run();
      const before = memoryInfo().usedBytes;
      resetPeakMemory();
      run();
      return memoryInfo().peakBytes - before;
    };
    const [two, twelve] = [extraBytes(2), extraBytes(12)];
    assert.ok(twelve < 1.5 * two, `${twelve} bytes with twelve blocks, ${two} with two`);
  });

  test('gives the same with parts prepared once as with raw inputs', () => {
    const model = tinyModel();
    const { latents, timesteps, motionScores, ...raw } = tinyInputs();
    const textMask = tensor([1, 1, 1, 0, 0, 0, 1, 1, 1, 1]).view([2, 5]).to('int64');
    noGrad(() => {
      const condition = model.prepareCondition(raw.pixels, raw.mask);
      const text = model.prepareText(raw.text, textMask);
      const rope = model.prepareRope(latents);
      for (const x of [latents, latents.mul(0.5)]) {
        const prepared = model.forward(x, { timesteps, motionScores, text, condition, rope });
        const direct = model.predict(x, { timesteps, motionScores, textMask, ...raw });
        assert.deepEqual(prepared.toArray(), direct.toArray());
      }
    });
  });

  test('does not see masked text, on either side', () => {
    const model = tinyModel();
    const { latents, ...inputs } = tinyInputs();
    const textMask = tensor([0, 1, 1, 1, 0, 0, 0, 1, 1, 1]).view([2, 5]);
    const keep = textMask.unsqueeze(-1);
    const other = inputs.text.mul(keep).add(keep.mul(-1).add(1).mul(9));
    const run = (text: Tensor) =>
      noGrad(() => model.predict(latents, { ...inputs, text, textMask }));
    assert.ok(maxDifference(run(inputs.text), run(other)) < 1e-6);
    const unmasked = noGrad(() => model.predict(latents, inputs));
    assert.ok(maxDifference(run(inputs.text), unmasked) > 1e-4);
  });

  test('gives the same without text that no row keeps', () => {
    const model = tinyModel();
    const { latents, text, ...inputs } = tinyInputs();
    const run = (length: number) => {
      const textMask = tensor([1, 0, 1, 0, 0, 1, 1, 0, 0, 0]).view([2, 5]).narrow(1, 0, length);
      const cut = { text: text.narrow(1, 0, length), textMask };
      return noGrad(() => model.predict(latents, { ...inputs, ...cut }));
    };
    assert.ok(maxDifference(run(3), run(5)) < 1e-6);
    assert.ok(maxDifference(run(2), run(5)) > 1e-4);
  });

  test('takes an explicit rotary table, for all items or for each', () => {
    const model = tinyModel();
    const { latents, ...inputs } = tinyInputs();
    const table = ropeEmbedding(model.tokenGrid(latents), 16);
    const run = (embedding: Tensor | null) =>
      noGrad(() => model.predict(latents, { ...inputs, ropeEmbedding: embedding })).toArray();
    assert.deepEqual(run(table), run(null));
    assert.deepEqual(run(table.unsqueeze(0).expand([2, ...table.shape])), run(null));
  });

  test('checkpointed blocks give the same gradients', () => {
    const { latents, ...inputs } = tinyInputs();
    const gradients = [undefined, checkpoint].map((wrapBlock) => {
      const model = tinyModel();
      const text = inputs.text.clone().requiresGrad_();
      const out = model.predict(latents, { ...inputs, text, wrapBlock });
      out.square().mean().backward();
      return [text.grad!, ...model.parameters().map((p) => p.grad!)];
    });
    gradients[0].forEach((grad, i) => {
      assert.ok(maxDifference(grad, gradients[1][i]) < 1e-6);
    });
  });

  test('computes in bfloat16 close to float32', () => {
    const model = tinyModel();
    const { latents, ...inputs } = tinyInputs();
    const exact = noGrad(() => model.predict(latents, inputs));
    const rounded = noGrad(() => model.toDtype('bfloat16').predict(latents, inputs));
    assert.equal(rounded.dtype, 'bfloat16');
    const scale = exact.abs().amax().item();
    // a few of bfloat16's 2^-8 steps, over two blocks
    assert.ok(maxDifference(exact, rounded) < 0.04 * scale);
  });

  test('gives the same after its weights were taken over by another', () => {
    const [model, copy] = [tinyModel(), tinyModel({ num_layers: 2 })];
    initialiseForTraining(copy, { generator: new Generator(9) });
    copy.loadStateDict(model.stateDict());
    const { latents, ...inputs } = tinyInputs();
    const [a, b] = [model, copy].map((m) => noGrad(() => m.predict(latents, inputs)));
    assert.deepEqual(a.toArray(), b.toArray());
  });

  test('names chunked blocks one level deeper', () => {
    const names = [...tinyModel({ num_block_chunks: 2 }).namedParameters().keys()];
    assert.ok(names.includes('transformer_blocks.1.module.0.attn1.q_proj.weight'));
  });

  test('says which input does not fit', () => {
    const model = tinyModel();
    const { latents, pixels, ...inputs } = tinyInputs();
    const run = (changes: object) => () =>
      model.predict(latents, { ...inputs, pixels, ...changes });
    assert.throws(run({ pixels: pixels.narrow(1, 0, 3) }), /\[B, 5, F, H, W\] together/);
    assert.throws(run({ motionScores: null }), /motionScores must be given/);
    assert.throws(
      run({ pixels: pixels.narrow(2, 0, 1), mask: inputs.mask.narrow(2, 0, 1) }),
      ShapeError,
    );
    assert.throws(() => model.posEmbed.forward(latents.narrow(3, 0, 3)), /multiples of 2/);
  });
});

describe('initialiseForTraining', () => {
  test('starts with a velocity of zero, and repeats with the seed', () => {
    const model = tinyModel();
    const { latents, ...inputs } = tinyInputs();
    const weights = [0, 1].map(() => {
      initialiseForTraining(model, { generator: new Generator(4) });
      return model.condConv.convIn.weight.toArray();
    });
    assert.deepEqual(weights[0], weights[1]);
    assert.equal(
      noGrad(() => model.predict(latents, inputs))
        .abs()
        .amax()
        .item(),
      0,
    );
  });

  test('brings the condition to the scale of the patch embedding', () => {
    const model = tinyModel({ cond_block_out_channels: [8, 12, 16, 16, 20] });
    const std = (t: Tensor) => t.std(null, { correction: 0 }).item();
    for (const conditionScale of [1, 0.5]) {
      initialiseForTraining(model, { generator: new Generator(5), conditionScale });
      const { latents, pixels, mask } = tinyInputs();
      const ratio = noGrad(
        () =>
          std(model.prepareCondition(pixels.mul(mask), mask)) /
          std(model.posEmbed.forward(latents)),
      );
      assert.ok(ratio > conditionScale / 2 && ratio < conditionScale * 2, `ratio ${ratio}`);
    }
  });

  for (const dtype of ['float32', 'bfloat16'] as const) {
    test(`ten steps in ${dtype} reduce the loss`, () => {
      const model = tinyModel();
      initialiseForTraining(model, { generator: new Generator(3) });
      model.toDtype(dtype);
      const { latents, ...inputs } = tinyInputs();
      const target = randn([2, 4, 2, 4, 6], { generator: new Generator(8) });
      const optimizer = new AdamW(model.namedParameters());
      const losses = Array.from({ length: 10 }, () =>
        tidy(() => {
          const loss = velocityLoss(model.predict(latents, inputs), target);
          loss.backward();
          optimizer.step({ learningRate: 1e-2, clipGradNorm: 1 });
          optimizer.zeroGrad();
          return loss.item();
        }),
      );
      assert.ok(losses[9] < 0.9 * losses[0], losses.join(' '));
    });
  }
});

describe('a flow map', () => {
  test('sees where its step ends, or how long it is; without an end, its step has no length', () => {
    for (const deltatime_type of ['r', 't-r'] as const) {
      const model = tinyModel({ deltatime_type });
      const { latents, ...inputs } = tinyInputs();
      const { timesteps } = inputs;
      const at = (endTimesteps: Tensor | null) =>
        noGrad(() => model.predict(latents, { ...inputs, endTimesteps }));
      assert.equal(maxDifference(at(null), at(timesteps)), 0, deltatime_type);
      assert.ok(maxDifference(at(null), at(timesteps.mul(0.5))) > 0, deltatime_type);
    }
  });

  test('has one time embedder more, under the name that the field has for it', () => {
    const names = [...tinyModel({ deltatime_type: 'r' }).namedParameters().keys()];
    const own = names.filter((name) => name.includes('delta_embedder'));
    const layers = ['linear_1.weight', 'linear_1.bias', 'linear_2.weight', 'linear_2.bias'];
    assert.deepEqual(
      own,
      layers.map((layer) => `time_embedder.delta_embedder.${layer}`),
    );
    assert.ok(![...tinyModel().namedParameters().keys()].some((name) => own.includes(name)));
  });

  test('fresh for training, does not depend on its steps yet', () => {
    const model = tinyModel({ deltatime_type: 't-r' });
    initialiseForTraining(model, { generator: new Generator(3) });
    const { weight, bias } = model.timeEmbedder.deltaEmbedder!.linear2;
    assert.deepEqual(
      [weight, bias!].map((one) => one.abs().amax().item()),
      [0, 0],
    );
  });
});
