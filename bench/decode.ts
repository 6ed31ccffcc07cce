/**
 * Decoding a clip with an autoencoder of the released size, in tiles as pipelines do, compared with
 * diffusers on the same random weights and latents: time, largest difference, our peak memory.
 *
 *     node --import tsx bench/decode.ts --python venv/bin/python
 *
 * That interpreter needs torch, diffusers and safetensors. diffusers decodes in bfloat16 and in
 * float32; the ratio is against the faster one.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { Autoencoder, AutoencoderConfig } from '../src/models/autoencoder/index.js';
import { withParameters } from '../src/nn/index.js';
import {
  type DType,
  engineInfo,
  manualSeed,
  memoryInfo,
  noGrad,
  openSafetensors,
  randn,
  resetPeakMemory,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../src/tensor/index.js';
import { differenceLine } from './difference.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { Peer } from './peer.js';
import { randomise } from './random-weights.js';

const args = defineArgs({
  options: {
    python: { kind: 'text', default: '/usr/bin/python3', describe: 'interpreter of the peer' },
    size: { kind: 'size', multipleOf: 8, default: { width: 640, height: 352 }, describe: 'pixels' },
    frames: { kind: 'integer', min: 1, default: 17, describe: '4k + 1' },
    rounds: { kind: 'integer', min: 1, default: 3, describe: 'timed runs of each side' },
    seed: { kind: 'integer', min: 0, default: 0, describe: 'seed of weights and latents' },
    float32: { kind: 'flag', default: true, describe: 'run diffusers in float32 too' },
    alone: { kind: 'flag', describe: 'run our side only' },
  },
});
const { python, size, frames, rounds, seed, float32, alone } = parseArgs(
  'decode',
  args,
  process.argv.slice(2),
);
const folder = mkdtempSync(join(tmpdir(), 'mfm-decode-'));
const file = (name: string) => join(folder, name);

console.log(machineLine());
console.log(`${frames}x${size.height}x${size.width}`);
manualSeed(seed);
const config = AutoencoderConfig.parse({}); // the defaults are the published ones
const autoencoder = withParameters({ dtype: 'bfloat16' }, () => new Autoencoder(config));
autoencoder.requiresGrad_(false);
autoencoder.enableTiling();
randomise(autoencoder);
const latents = tidy(() =>
  randn([1, 16, (frames - 1) / 4 + 1, size.height / 8, size.width / 8]).to('bfloat16'),
).keep();
const decode = () => noGrad(() => tidy(() => autoencoder.decode(latents).to('float32')));

noGrad(() => tidy(() => void autoencoder.decode(latents.slice(2, 0, 1).slice(3, 0, 4)))); // warm-up
const own: number[] = [];
let [video, peakBytes]: [Tensor | null, number] = [null, 0];
const ownTurn = () => {
  video?.dispose();
  const before = memoryInfo().usedBytes;
  resetPeakMemory();
  own.push(
    secondsOf(() => {
      video = decode().keep();
    }),
  );
  peakBytes = Math.max(peakBytes, memoryInfo().peakBytes - before);
};

try {
  if (alone) for (let round = 0; round < rounds; round++) ownTurn();
  const others = alone ? null : await comparePeer();
  const taken = median(own);
  const peak = peakBytes / 1e9;
  console.log(
    `own bfloat16: ${taken.toFixed(2)} s, peak memory beyond the weights ${peak.toFixed(2)} GB`,
  );
  if (others) {
    for (const [dtype, seconds] of Object.entries(others)) {
      console.log(`diffusers ${dtype}: ${median(seconds).toFixed(2)} s`);
    }
    const ratios = Object.values(others).map((seconds) => median(seconds) / taken);
    const ratio = Math.min(...ratios);
    verdict(
      `decode: ${ratio.toFixed(2)} times as fast as the faster diffusers run`,
      ratio >= 3,
      'at least 3',
    );
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Runs both sides alternately, prints their differences, returns diffusers' seconds by dtype. */
async function comparePeer(): Promise<Record<string, number[]>> {
  writeFileSync(file('config.json'), JSON.stringify(config));
  saveSafetensors(file('weights.safetensors'), autoencoder.stateDict());
  saveSafetensors(file('latents.safetensors'), { latents });
  const paths = ['config.json', 'weights.safetensors', 'latents.safetensors'].map(file);
  const peer = new Peer('decode.py', python, [...paths, engineInfo().threads]);
  console.log(`peer: ${await peer.answer()}`);
  const dtypes = float32 ? (['bfloat16', 'float32'] as const) : (['bfloat16'] as const);
  const seconds = Object.fromEntries(dtypes.map((dtype) => [dtype, [] as number[]]));
  const results: Partial<Record<DType, Tensor>> = {};
  for (let round = 0; round < rounds; round++) {
    ownTurn();
    for (const dtype of dtypes) {
      const output = round === 0 ? file(`${dtype}.safetensors`) : '';
      const answer = JSON.parse(await peer.ask(JSON.stringify({ dtype, output })));
      seconds[dtype]!.push(answer.seconds);
      if (!output) continue;
      const stored = openSafetensors(output);
      results[dtype] = stored.get('video').keep();
      stored.close();
    }
  }
  peer.end();

  console.log('differences, relative to the root mean square of the second:');
  const bf16 = results.bfloat16!;
  const differences: [string, Tensor, Tensor][] = [
    ['own bfloat16 and diffusers bfloat16', video!, bf16],
  ];
  if (results.float32) {
    const f32 = results.float32;
    differences.push(
      ['own bfloat16 and diffusers float32', video!, f32],
      ['diffusers bfloat16 and diffusers float32', bf16, f32],
    );
    autoencoder.toDtype('float32');
    differences.push(['own float32 and diffusers float32', decode().keep(), f32]);
  }
  for (const [name, a, b] of differences) {
    console.log(`  ${name}: ${differenceLine(a, b)}`);
  }
  return seconds;
}
