/** A bf16 Linear, 1024 -> 4096 over 2048 tokens, beside the fastest product of the same run. */
import { Linear } from '../src/nn/index.js';
import { noGrad, randn, tidy } from '../src/tensor/index.js';
import { interleave, machineLine, median, verdict } from './measure.js';
import { gigaflops, peakProducts } from './peak.js';

const linear = new Linear(1024, 4096).toDtype('bfloat16');
const x = tidy(() => randn([2048, 1024]).to('bfloat16')).keep();
const flops = 2 * 2048 * 1024 * 4096;
const peaks = peakProducts();

console.log(machineLine());
noGrad(() => {
  const seconds = interleave(
    {
      linear: () => tidy(() => void linear.forward(x)),
      ...Object.fromEntries(peaks.map(({ name, run }) => [name, run])),
    } as Record<string, () => void>,
    15,
  );
  const peak = Math.max(
    ...peaks.map(({ name, flops: all }) => {
      const rate = all / median(seconds[name]);
      console.log(`product ${name}: ${gigaflops(rate, 1)}`);
      return rate;
    }),
  );
  const rate = flops / median(seconds.linear);
  const share = (100 * rate) / peak;
  verdict(
    `Linear 1024->4096 x 2048: ${gigaflops(rate, 1)}, ${share.toFixed(0)}% of the fastest product`,
    share >= 80,
    'at least 80%',
  );
});
