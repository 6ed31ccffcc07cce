/** Decoding 17x352x640 in tiles, beside diffusers on the same weights where it is installed. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Autoencoder, AutoencoderConfig } from '../../src/models/autoencoder/index.js';
import { withParameters } from '../../src/nn/index.js';
import { manualSeed, noGrad, randn, saveSafetensors, tidy } from '../../src/tensor/index.js';
import { Peer } from '../peer.js';
import { randomise } from '../random-weights.js';
import { type Context, gigabytes, type Row, taken, timed } from './context.js';

export async function* decode({ device, small, python }: Context): AsyncIterable<Row> {
  manualSeed(0);
  const config = AutoencoderConfig.parse(
    small ? { block_out_channels: [8, 8, 8, 8], layers_per_block: 1, norm_num_groups: 4 } : {},
  );
  const autoencoder = withParameters({ dtype: 'bfloat16' }, () => new Autoencoder(config));
  autoencoder.requiresGrad_(false).eval().enableTiling();
  randomise(autoencoder);
  const latents = randn(small ? [1, 16, 2, 4, 4] : [1, 16, 5, 44, 80]).to('bfloat16');
  const folder = mkdtempSync(join(tmpdir(), 'mfm-decode-'));
  const file = (name: string) => join(folder, name);
  try {
    writeFileSync(file('config.json'), JSON.stringify(config));
    saveSafetensors(file('weights.safetensors'), autoencoder.stateDict());
    saveSafetensors(file('latents.safetensors'), { latents });
    autoencoder.moveTo(device, 'bfloat16');
    const there = latents.to(device);
    let seconds = 0;
    const bytes = taken(device, () => {
      seconds = noGrad(() => timed(device, () => tidy(() => void autoencoder.decode(there)), 2));
    });
    yield {
      what: '17x352x640, in tiles, bfloat16',
      figure: `${seconds.toFixed(2)} s, ${gigabytes(bytes)} beyond the weights`,
      values: { seconds, bytes: bytes ?? -1 },
    };
    if (spawnSync(python, ['-c', 'import torch, diffusers, safetensors']).status !== 0) {
      yield { what: 'diffusers', figure: `skipped: ${python} does not have it`, values: {} };
      return;
    }
    process.env.PEER_DEVICE = device;
    const names = ['config.json', 'weights.safetensors', 'latents.safetensors'];
    const peer = new Peer('decode.py', python, [...names.map(file), 1]);
    await peer.answer();
    const theirs: number[] = [];
    for (let i = 0; i < 2; i++) {
      const answer = await peer.ask(JSON.stringify({ dtype: 'bfloat16', output: '' }));
      theirs.push((JSON.parse(answer) as { seconds: number }).seconds);
    }
    peer.end();
    const best = Math.min(...theirs);
    yield {
      what: 'diffusers',
      figure: `${best.toFixed(2)} s: ${(best / seconds).toFixed(1)} times as long`,
      values: { seconds: best },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
