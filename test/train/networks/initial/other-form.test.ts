import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Transformer3D } from '../../../../src/models/transformer/index.js';
import { noGrad, tidy } from '../../../../src/tensor/index.js';
import { copyFromOtherForm } from '../../../../src/train/networks/initial/other-form.js';
import { maxDifference, tinyInputs, tinyModel } from '../../../models/transformer/tiny.js';

function result(network: Transformer3D) {
  const { latents, timesteps, motionScores, text, pixels, mask } = tinyInputs();
  return network.forward(latents, {
    timesteps,
    motionScores,
    text: network.prepareText(text),
    condition: network.prepareCondition(pixels, mask),
    rope: network.prepareRope(latents),
  });
}

describe('copyFromOtherForm', () => {
  for (const [fewer, more] of [
    [1, 2],
    [2, 5],
    [3, 4],
  ] as const) {
    test(`${more} blocks compute the same as the ${fewer} that they are from`, () => {
      const from = tinyModel({ num_layers: fewer });
      const to = tinyModel({ num_layers: more });
      const before = noGrad(() => tidy(() => maxDifference(result(to), result(from))));
      assert.ok(before > 1e-3, `other weights at first: ${before}`);
      copyFromOtherForm(from, to);
      assert.equal(
        noGrad(() => tidy(() => maxDifference(result(to), result(from)))),
        0,
      );
    });
  }

  test('of a flow map, a network without steps keeps the velocity', () => {
    const from = tinyModel({ num_layers: 2, deltatime_type: 't-r' });
    const to = tinyModel({ num_layers: 3 });
    copyFromOtherForm(from, to);
    const difference = noGrad(() => tidy(() => maxDifference(result(to), result(from))));
    assert.ok(difference < 1e-5, String(difference)); // a sum in another order
  });

  test('every new block gets a gradient', () => {
    const to = tinyModel({ num_layers: 5 });
    copyFromOtherForm(tinyModel({ num_layers: 2 }), to);
    const weights = new Map(to.namedParameters());
    result(to).square().sum().backward();
    for (let i = 0; i < 5; i++) {
      const gate = weights.get(`transformer_blocks.${i}.norm1.linear.bias`)!;
      assert.ok(gate.grad!.abs().amax().item() > 0, `block ${i}`);
    }
  });
});
