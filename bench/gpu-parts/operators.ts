/** Where the time of a block goes: each operator alone, at the shapes of the 2B at 17x352x640 with guidance. */

import { ropeEmbedding, ropeTable } from '../../src/models/transformer/index.js';
import { attention } from '../../src/nn/attention.js';
import { gatedAdd, geluTanh, linear, modulate, rmsNormRope } from '../../src/nn/fused.js';
import { noGrad, randn, type Tensor, tidy } from '../../src/tensor/index.js';
import { type Context, type Row, timed } from './context.js';
import { configOf, randomTransformer, TEXT } from './networks.js';

export function* operators(context: Context): Iterable<Row> {
  const { device, small } = context;
  const config = configOf('mfm-2b', context);
  const heads = config.num_attention_heads;
  const k = config.attention_head_dim;
  const d = heads * k;
  const grid: [number, number, number] = small ? [2, 4, 4] : [5, 22, 40];
  const tokens = grid[0] * grid[1] * grid[2];
  const on = (...shape: number[]): Tensor => randn(shape).to('bfloat16').to(device);
  const rows = tidy(() => {
    const x = on(2, tokens, d);
    const wide = on(2, tokens, 4 * d);
    const [q, text] = [on(2, heads, tokens, k), on(2, heads, TEXT, k)];
    const [w, up, down] = [on(d, d), on(4 * d, d), on(d, 4 * d)];
    const [shift, weight] = [on(2, 1, d).to('float32'), on(d)];
    const rope = ropeTable(ropeEmbedding(grid, k).to(device));
    const norm = { kind: 'rms', weight, eps: 1e-6 } as const;
    const parts: [name: string, count: number, run: () => Tensor][] = [
      ['products D x D', 6, () => linear(x, w, null)],
      ['products D x 4D', 1, () => linear(x, up, null)],
      ['products 4D x D', 1, () => linear(wide, down, null)],
      ['attention to itself', 1, () => attention(q, q, q)],
      ['attention to the text', 1, () => attention(q, text, text)],
      ['norm and modulation', 2, () => modulate(x, norm, shift, shift)],
      ['norm and rotation of q and k', 2, () => rmsNormRope(x, { weight, eps: 1e-6 }, heads, rope)],
      ['GELU', 1, () => geluTanh(wide)],
      ['gated additions', 2, () => gatedAdd(x, shift, x)],
    ];
    const measured = parts.map(([name, count, run]) => ({
      name,
      seconds: count * noGrad(() => timed(device, () => tidy(() => void run()), 5)),
    }));
    const model = randomTransformer({ ...config, num_layers: 1 }, device);
    const block = noGrad(() => {
      const prepared = model.prepareText(on(2, TEXT, textWidth(config.cross_attention_dim)));
      const time = on(2, d);
      const inputs = { time, text: prepared.blocks[0]!, textBias: null, rope };
      return timed(device, () => tidy(() => void model.blocks[0]!.forward(x, inputs)), 5);
    });
    model.dispose();
    return { measured, block };
  });
  const all = rows.measured.reduce((sum, { seconds }) => sum + seconds, 0);
  for (const { name, seconds } of rows.measured) {
    yield {
      what: name,
      figure: `${(1e3 * seconds).toFixed(3)} ms, ${((100 * seconds) / rows.block).toFixed(0)} % of a block`,
      values: { seconds, share: seconds / rows.block },
    };
  }
  yield {
    what: 'a whole block',
    figure: `${(1e3 * rows.block).toFixed(3)} ms; its operators alone ${(1e3 * all).toFixed(3)} ms`,
    values: { seconds: rows.block, operators: all },
  };
}

const textWidth = (widths: number | readonly number[]): number =>
  typeof widths === 'number' ? widths : widths[0]!;
