import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adapterFlops } from '../../../src/models/transformer/cost.js';
import { runCost } from '../../../src/train/cost/run-cost.js';
import { pipelineRecipe, Recipe } from '../../../src/train/recipe/config.js';
import { recipeShape } from '../../../src/train/recipe/networks.js';

const MACHINE = { peakFlops: 1e12, efficiency: 0.5, memoryBytes: 1e10 };

const recipe = pipelineRecipe(
  Recipe.parse({
    name: 'two',
    transformer: {
      steps: 10,
      tokensPerBatch: 320,
      adapter: { steps: 5 },
      stages: [{ name: 'small' }, { name: 'large', width: 128, height: 96, numFrames: 33 }],
    },
  }),
);
const costOf = (ranks?: number) =>
  runCost(recipe, recipeShape(recipe), 'float32', { ...MACHINE, ranks });

describe('runCost', () => {
  test('counts the adapter at the size of the last stage, at which it is trained', () => {
    // 9 latent frames of 8x6 tokens are more than the budget: one clip
    const clip = { frames: 33, width: 128, height: 96 };
    const { flops, steps } = costOf().adapter!;
    assert.equal(flops, 3 * adapterFlops(recipeShape(recipe).transformer, clip));
    assert.equal(steps, 5);
  });

  test('of processes that share a machine is the same work, more memory and a little more time', () => {
    const [one, two] = [costOf(), costOf(2)];
    assert.equal(two.encoding.seconds, one.encoding.seconds);
    const [alone, shared] = [one.stages[0]!, two.stages[0]!];
    assert.equal(shared.flops, alone.flops);
    assert.ok(shared.seconds > alone.seconds, 'sums of gradients take time');
    assert.ok(2 * shared.memory.total > alone.memory.total, 'weights are there twice');
    assert.ok(shared.memory.activations < alone.memory.activations, 'samples are shared out');
  });
});
