import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clipConv, clipFromVideo, videoFromClip } from '../../src/nn/clip.js';
import {
  cat,
  engineInfo,
  Generator,
  memoryInfo,
  noGrad,
  ops,
  randn,
  resetPeakMemory,
  setThreads,
  type Tensor,
  tidy,
  zeros,
} from '../../src/tensor/index.js';

const [B, C, OUT, H, W] = [3, 4, 5, 6, 7];
const random = (seed: number, ...shape: number[]) =>
  randn(shape, { generator: new Generator(seed) });

function expectNear(got: Tensor, want: Tensor, what: string, tolerance = 1e-4): void {
  assert.deepEqual(got.shape, want.shape, what);
  const difference = got.to('float32').sub(want.to('float32')).abs().amax().item();
  assert.ok(difference < tolerance, `${what} is off by ${difference}`);
}

/** The result and the gradients of `inputs` for a gradient that differs from place to place. */
function both(inputs: Tensor[], run: (inputs: Tensor[]) => Tensor): Tensor[] {
  const own = inputs.map((t) => t.detach().clone().requiresGrad_(true));
  const out = run(own);
  out
    .mul(random(9, ...out.shape))
    .sum()
    .backward();
  return [out, ...own.map((t) => t.grad!)];
}

const length = (x: Tensor) => x.square().sum().sqrt().item() as number;

describe('clipConv', () => {
  for (const numFrames of [1, 2, 5, 8]) {
    test(`of ${numFrames} frames halves them as a strided 3D convolution does`, () => {
      const inputs = [random(1, B, C, numFrames, H, W), random(2, OUT, C, 3, 3, 3), random(3, OUT)];
      const got = both(inputs, ([video, weight, bias]) => {
        const options = { weight: weight!, bias: bias!, halveFrames: true, stride: 2, padding: 1 };
        return videoFromClip(clipConv(clipFromVideo(video!), options));
      });
      const want = both(inputs, ([video, weight, bias]) =>
        ops.conv3d(video!, weight!, bias!, 2, 1),
      );
      ['result', 'clip', 'weight', 'bias'].forEach((what, i) => {
        expectNear(got[i]!, want[i]!, what, 2e-4);
      });
    });
  }

  test('that halves frames sees the one before the clip', () => {
    const inputs = [random(1, B, C, 7, H, W), random(2, OUT, C, 3, 3, 3)];
    const got = both(inputs, ([video, weight]) => {
      const clip = clipFromVideo(video!);
      const options = { weight: weight!, bias: null, halveFrames: true, padding: 1 };
      const first = clipConv(clip.narrow(0, 0, 4), options);
      const past = clip.narrow(0, 3, 1);
      return videoFromClip(cat([first, clipConv(clip.narrow(0, 4, 3), { ...options, past })], 0));
    });
    // frame 3 is the last that the first part sees: its second output lacks nothing
    const want = both(inputs, ([video, weight]) => ops.conv3d(video!, weight!, null, [2, 1, 1], 1));
    ['result', 'clip', 'weight'].forEach((what, i) => {
      expectNear(got[i]!, want[i]!, what, 2e-4);
    });
  });

  test('in many pieces equals the convolution of all pictures, and its gradients', () => {
    // 2 MB of pictures, in parts of frames and in whole ones
    for (const [frames, samples] of [
      [2, 40],
      [40, 2],
    ] as const) {
      const inputs = [random(1, frames, samples, 8, 28, 30), random(2, 4, 8, 3, 3), random(3, 4)];
      const got = both(inputs, ([clip, weight, bias]) =>
        clipConv(clip!, { weight: weight!, bias: bias!, padding: 1 }),
      );
      const want = both(inputs, ([clip, weight, bias]) =>
        ops.conv2d(clip!.flatten(0, 1), weight!, bias!, 1, 1).reshape(got[0]!.shape),
      );
      ['result', 'clip', 'weight', 'bias'].forEach((what, i) => {
        const scale = want[i]!.abs().amax().item() as number;
        expectNear(got[i]!.div(scale), want[i]!.div(scale), `${what}, ${frames} frames`, 1e-5);
      });
    }
  });

  const common = { past: 0, kernel: 3, numFrames: 3 };
  // channels of the clip and the result, size, taps and what else differs from case to case
  const cases = [
    { channels: [5, 8], size: [9, 21], taps: 1, activation: 'silu' },
    { channels: [8, 8], size: [6, 64], taps: 1, activation: 'silu' },
    { channels: [8, 16], size: [8, 10], taps: 3, halveFrames: true, stride: 2, activation: 'silu' },
    { channels: [3, 5], size: [7, 9], taps: 3, halveFrames: true, stride: 2, past: 1 },
    { channels: [16, 24], size: [7, 35], taps: 1, stride: 2, activation: 'silu' },
    { channels: [16, 16], size: [5, 17], taps: 3, past: 2 },
    { channels: [24, 40], size: [12, 6], taps: 3 },
    { channels: [16, 8], size: [5, 6], taps: 3, numFrames: 1 },
    { channels: [6, 16], size: [4, 12], taps: 3, numFrames: 2 },
    { channels: [32, 70], size: [4, 4], taps: 1, activation: 'silu' },
    { channels: [12, 3], size: [19, 301], taps: 1 },
    { channels: [16, 16], size: [17, 17], taps: 1, stride: 2, padding: 0 },
    { channels: [20, 36], size: [6, 7], taps: 1, kernel: 1, padding: 0 },
  ] as const;
  for (const each of cases) {
    test(`in bfloat16 is within its rounding of float32: ${JSON.stringify(each)}`, () => {
      const { channels, size, taps, past, kernel, numFrames, ...rest } = { ...common, ...each };
      const [from, to] = channels;
      const options = { padding: 1, ...rest };
      const inputs = [
        random(1, numFrames, 2, from, ...size),
        random(2, to, from, taps, kernel, kernel).div(Math.sqrt(from * taps) * kernel),
        random(3, to),
        random(4, Math.max(1, past), 2, from, ...size),
      ].map((x) => x.to('bfloat16'));
      const run = ([clip, weight, bias, frames]: Tensor[]) =>
        // the frames before the clip take part in any case, so that they have a gradient
        clipConv(clip!, {
          ...options,
          weight: weight!,
          bias: bias!,
          past: past > 0 ? frames! : null,
        }).add(frames!.sum().mul(0));
      const got = both(inputs, run);
      const want = both(
        inputs.map((x) => x.to('float32')),
        run,
      );
      ['result', 'clip', 'weight', 'bias', 'past'].forEach((what, i) => {
        if (what === 'past' && past === 0) return;
        const share = length(got[i]!.to('float32').sub(want[i]!)) / length(want[i]!);
        // rounding to 8 bits is off by 2⁻⁹ at most: of the gradient that comes in, of that before the
        // activation, and of the result
        assert.ok(share < 3 * 2 ** -9, `${what} is off by ${share}`);
      });
    });
  }

  test('refuses a clip without frames or samples', () => {
    const weight = zeros([8, 8, 3, 3, 3]);
    for (const [frames, samples] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const clip = zeros([frames, samples, 8, 4, 4]);
      assert.throws(() => clipConv(clip, { weight, bias: null, padding: 1 }), /must be above 0/);
    }
  });

  test('takes the memory of a few pieces beside its result', (t) => {
    const { threads } = engineInfo();
    setThreads(2); // each has a piece
    t.after(() => setThreads(threads));
    const weight = zeros([8, 8, 3, 3], { dtype: 'bfloat16' });
    const options = { weight, bias: null, padding: 1 };
    noGrad(() =>
      tidy(() => {
        const clip = clipFromVideo(zeros([1, 8, 128, 64, 64], { dtype: 'bfloat16' }));
        const before = memoryInfo().usedBytes;
        resetPeakMemory();
        const resultBytes = 2 * clipConv(clip, options).numel;
        const more = memoryInfo().peakBytes - before - resultBytes;
        assert.ok(more < resultBytes, `${more} bytes beside ${resultBytes}`);
      }),
    );
  });

  // a process of its own: it was the first convolution of a thread that hung
  test('does not hang where its gradient is the first work of the threads', () => {
    const module = (path: string) => JSON.stringify(fileURLToPath(new URL(path, import.meta.url)));
    const program = `
      import { clipConv } from ${module('../../src/nn/clip.ts')};
      import { ones } from ${module('../../src/tensor/index.ts')};
      const dtype = process.argv[1];
      const clip = ones([9, 4, 16, 64, 64], { dtype }).requiresGrad_(true);
      const weight = ones([16, 16, 3, 3, 3], { dtype }).requiresGrad_(true);
      clipConv(clip, { weight, bias: null, padding: 1 }).sum().backward();
      console.log(weight.grad.shape.join(' '));`;
    for (const dtype of ['float32', 'bfloat16']) {
      const { stdout, stderr, signal } = spawnSync(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '-e', program, dtype],
        { encoding: 'utf8', timeout: 120_000, env: { ...process.env, MFM_THREADS: '2' } },
      );
      assert.equal(signal, null, `${dtype}: it hangs`);
      assert.equal(stdout, '16 16 3 3 3\n', stderr);
    }
  });
});
