/** The public code's step of the 2B on the same device, from its model with one block; see bench/public-step.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TRANSFORMER_PRESETS } from '../../src/models/transformer/index.js';
import { noGrad, saveSafetensors, tidy } from '../../src/tensor/index.js';
import { Peer } from '../peer.js';
import { prepare, release, step, stepInputs } from '../step.js';
import { type Context, type Row, Skipped, timed } from './context.js';
import { configOf, randomTransformer } from './networks.js';

export async function* publicStep(context: Context): AsyncIterable<Row> {
  const { device, small, peer: checkout, python } = context;
  if (checkout === null) throw new Skipped('no checkout of it is given (--peer FOLDER)');
  const blocks = TRANSFORMER_PRESETS['mfm-2b'].num_layers;
  const config = { ...configOf('mfm-2b', context), num_layers: 1 };
  const inputs = stepInputs(small ? [2, 8, 8] : [5, 44, 80]);
  const folder = mkdtempSync(join(tmpdir(), 'mfm-public-'));
  const file = (name: string) => join(folder, name);
  process.env.PEER_DEVICE = device;
  try {
    const model = randomTransformer(config, device);
    writeFileSync(file('config.json'), JSON.stringify(config));
    saveSafetensors(file('weights.safetensors'), model.stateDict());
    saveSafetensors(file('inputs.safetensors'), { ...inputs });
    const names = ['config.json', 'weights.safetensors', 'inputs.safetensors'];
    const peer = new Peer('public_step.py', python, [checkout, ...names.map(file), 1]);
    await peer.answer();
    const ask = async (part: string) => {
      const seconds: number[] = [];
      for (let i = 0; i < 3; i++) {
        const answer = await peer.ask(JSON.stringify({ part, dtype: 'bfloat16', output: '' }));
        seconds.push((JSON.parse(answer) as { seconds: number }).seconds);
      }
      return Math.min(...seconds);
    };
    const theirs = (await ask('forward')) + (blocks - 1) * (await ask('block'));
    peer.end();
    const there = Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [name, value.to(device).keep()]),
    ) as unknown as typeof inputs;
    const ours = noGrad(() => {
      const prepared = tidy(() => prepare(model, there));
      const run = () => tidy(() => void step(model, there, prepared));
      const one = timed(device, run);
      release(prepared);
      return one;
    });
    release(there);
    model.dispose();
    yield {
      what: 'the 2B, 17x352x640, guidance',
      figure: `${theirs.toFixed(3)} s with its ${blocks} blocks; one block and the ends take ${ours.toFixed(3)} s here`,
      values: { theirs, oneBlock: ours },
    };
  } finally {
    release(inputs);
    rmSync(folder, { recursive: true, force: true });
  }
}
