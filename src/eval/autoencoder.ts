/** The loss of the autoencoder alone, an upper bound on the quality of any result of the pipeline. */
import { setImmediate } from 'node:timers/promises';
import { type Frames, framesToTensor, tensorToFrames } from '../media/index.js';
import { type Pipeline, toModelLatents } from '../pipeline/index.js';
import { noGrad, tidy } from '../tensor/index.js';
import type { Tally } from './figures.js';
import { clipPsnr } from './quality.js';
import { summary } from './summary/tallies.js';
import type { Value } from './summary/types.js';
import type { Trials, Watch } from './trials.js';

/** PSNR in dB of the trials' true clips after encoding to latents and decoding, mean over trials. */
export async function throughAutoencoder(
  pipeline: Pipeline,
  trials: Trials,
  { onShare, signal }: Watch = {},
): Promise<Value> {
  const values: Tally[] = [];
  for (let i = 0; i < trials.count; i++) {
    signal?.throwIfAborted();
    const { truth } = await trials.at(i);
    values.push({ sum: clipPsnr(await throughLatents(pipeline, truth, signal), truth), count: 1 });
    onShare?.(values.length / trials.count);
    await setImmediate();
  }
  return summary(values, ''); // a mean of the decibels themselves
}

async function throughLatents(
  pipeline: Pipeline,
  clip: Frames,
  signal?: AbortSignal,
): Promise<Frames> {
  const latents = noGrad(() =>
    tidy(() => {
      const pixels = framesToTensor(clip).to(pipeline.device);
      const unscaled = pipeline.autoencoder.encode(pixels).mode();
      return toModelLatents(unscaled.to('float32')).keep();
    }),
  );
  const decoded = await pipeline.decode(latents, { signal });
  const frames = tidy(() => tensorToFrames(decoded.to('cpu')));
  for (const tensor of [latents, decoded]) tensor.dispose();
  return frames;
}
