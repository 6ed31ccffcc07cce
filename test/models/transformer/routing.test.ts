import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  ropeEmbedding,
  ropeTable,
  type TokenRoute,
  type Transformer3D,
} from '../../../src/models/transformer/index.js';
import {
  cat,
  checkpoint,
  Generator,
  randn,
  type Tensor,
  tensor,
} from '../../../src/tensor/index.js';
import { maxDifference, tinyInputs, tinyModel } from './tiny.js';

/** 12 tokens a sample; two samples that keep others. */
const KEPT = [
  [0, 3, 4, 7, 11],
  [1, 2, 5, 6, 10],
];

const places = (rows: number[][]) => tensor(rows, { dtype: 'int64' });

function routeOf(kept: number[][], first: number, last: number): TokenRoute {
  const all = [...Array(12).keys()];
  const skipping = kept.map((row) => all.filter((place) => !row.includes(place)));
  return { kept: places(kept), skipping: places(skipping), first, last };
}

/** Four blocks; weights moved, as a fresh network's blocks add little. */
const model = tinyModel({ num_layers: 4 });

function prepared(network: Transformer3D) {
  const { latents, timesteps, motionScores, text, pixels, mask } = tinyInputs();
  const condition = network.prepareCondition(pixels, mask).detach().requiresGrad_();
  return {
    latents,
    inputs: {
      timesteps,
      motionScores,
      text: network.prepareText(text),
      condition,
      rope: network.prepareRope(latents),
    },
  };
}

/** Sample by sample, written out: blocks on some rows, whose results are put back. */
function byHand(
  { latents, inputs }: ReturnType<typeof prepared>,
  { first, last }: TokenRoute,
): Tensor[] {
  const { condition, timesteps, motionScores, text } = inputs;
  const patches = model.posEmbed.forward(latents).add(condition);
  const time = model.timeEmbedder.forward(timesteps, motionScores).silu();
  const table = ropeEmbedding(model.tokenGrid(latents), 16);
  return [0, 1].map((b) => {
    const one = (t: Tensor) => t.narrow(0, b, 1);
    const kept = places([KEPT[b]!]).flatten();
    let rows = one(patches);
    let before: Tensor | null = null;
    let rope = ropeTable(table);
    model.blocks.forEach((block, i) => {
      if (i === first) {
        before = rows;
        rows = rows.indexSelect(1, kept);
        rope = ropeTable(table.indexSelect(0, kept));
      }
      const { keys, values } = text.blocks[i]!;
      const own = { keys: one(keys), values: one(values) };
      rows = block.forward(rows, { time: one(time), text: own, textBias: null, rope });
      if (i === last) {
        const index = kept.view([1, -1, 1]).expand([1, 5, 32]);
        rows = before!.scatter(1, index, rows);
        rope = ropeTable(table);
      }
    });
    return rows;
  });
}

/** The tokens after the last block, in order. */
function lastTokens(
  { latents, inputs }: ReturnType<typeof prepared>,
  changes: Partial<Parameters<Transformer3D['forward']>[1]>,
): Tensor {
  let seen: Tensor | null = null;
  let at: Tensor | null = null;
  const receive = (values: Tensor, where: Tensor | null) => {
    [seen, at] = [values, where];
  };
  model.forward(latents, {
    ...inputs,
    ...changes,
    probe: { block: 3, head: (x) => x, receive },
  });
  if (!at) return seen!;
  const order = (at as Tensor).sort(1)[1].unsqueeze(2).expand([2, 12, 32]);
  return seen!.gather(1, order);
}

describe('token routing', () => {
  const weights = randn([2, 12, 32], { generator: new Generator(3) });

  for (const [first, last] of [
    [1, 2],
    [0, 0],
    [2, 2],
  ] as const) {
    test(`skips blocks ${first} to ${last} as a gather and a scatter do, gradients too`, () => {
      const route = routeOf(KEPT, first, last);
      const [own, other] = [prepared(model), prepared(model)];
      const tokens = lastTokens(own, { route });
      const rows = byHand(other, route);
      rows.forEach((expected, b) => {
        assert.ok(maxDifference(tokens.narrow(0, b, 1), expected) < 1e-5, `sample ${b}`);
      });
      tokens.mul(weights).sum().backward();
      cat(rows).mul(weights).sum().backward();
      const [got, wanted] = [own, other].map(({ inputs }) => inputs.condition.grad!);
      assert.ok(maxDifference(got!, wanted!) < 1e-4, 'gradients of the tokens');
      // those that skip learn too
      const skipping = got!.select(0, 0).indexSelect(0, places([[1, 2, 5]]).flatten());
      assert.ok(skipping.abs().amax(1).amin().item() > 0.01);
    });
  }

  test('of no token gives what the network gives without', () => {
    const all = [...Array(12).keys()];
    const { latents, inputs } = prepared(model);
    const plain = model.forward(latents, inputs);
    const routed = model.forward(latents, { ...inputs, route: routeOf([all, all], 1, 2) });
    assert.ok(maxDifference(plain, routed) < 1e-6);
  });

  test('a velocity stands where its token stands', () => {
    // blocks that add nothing: each token's velocity follows from itself alone
    const still = tinyModel({ num_layers: 3 });
    const { latents, inputs } = prepared(still);
    for (const block of still.blocks) {
      for (const linear of [block.norm1.linear, block.attn2.o]) {
        linear.weight.requiresGrad_(false).zero_();
        linear.bias?.requiresGrad_(false).zero_();
      }
    }
    const plain = still.forward(latents, inputs);
    const routed = still.forward(latents, { ...inputs, route: routeOf(KEPT, 1, 1) });
    // products of fewer rows may round in another way
    assert.ok(maxDifference(plain, routed) < 1e-6);
  });

  test('gives the same gradients with checkpointed blocks', () => {
    const route = routeOf(KEPT, 1, 2);
    const gradients = [undefined, checkpoint].map((wrapBlock) => {
      const one = prepared(model);
      const { latents, inputs } = one;
      model
        .forward(latents, { ...inputs, route, wrapBlock })
        .square()
        .sum()
        .backward();
      return inputs.condition.grad!;
    });
    assert.ok(maxDifference(gradients[0]!, gradients[1]!) < 1e-5);
  });

  test('refuses blocks that are not there', () => {
    const { latents, inputs } = prepared(model);
    for (const [first, last] of [
      [2, 1],
      [1, 4],
    ] as const) {
      assert.throws(
        () => model.forward(latents, { ...inputs, route: routeOf(KEPT, first, last) }),
        /route must skip blocks between 0 and 3, got/,
      );
    }
  });
});

describe('a probe', () => {
  test('sees the tokens of a skipped block that pass through it, with their places', () => {
    const { latents, inputs } = prepared(model);
    const route = routeOf(KEPT, 1, 2);
    const seen: [number[], number[][] | null][] = [];
    for (const block of [0, 1, 2]) {
      model.forward(latents, {
        ...inputs,
        route,
        probe: {
          block,
          head: (x) => x.narrow(2, 0, 3),
          receive: ({ shape }, at) =>
            seen.push([shape, at && [0, 1].map((b) => [...at.select(0, b).toFloat32Array()])]),
        },
      });
    }
    assert.deepEqual(seen[0]![0], [2, 12, 3]);
    for (const [shape, at] of seen.slice(1)) {
      assert.deepEqual(shape, [2, 5, 3]);
      assert.deepEqual(at, KEPT);
    }
  });
});
