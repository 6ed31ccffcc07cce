/** Fresh parameters for training the transformer from scratch. */
import type { Conv2d, Conv3d, Linear, RMSNorm } from '../../nn/index.js';
import { type Generator, noGrad, rand, randn, type Tensor, tidy } from '../../tensor/index.js';
import { conditionChannels } from './config.js';
import type { PatchEmbed, TimestepEmbedding } from './embeddings.js';
import type { Transformer3D } from './transformer.js';

export interface InitialiseOptions {
  generator?: Generator;
  /**
   * The standard deviation of the adapter's output divided by that of the patch embedding, both on
   * random input; null keeps the scale that its layers' own initialisation gives (about 4 to 0.8).
   */
  conditionScale?: number | null;
}

/** Gain of the adapter's convolutions: preserves the signal through nine SiLU layers. Measured. */
const ADAPTER_GAIN = 1.8;
/** Standard deviation of time embedder weights. Source: Peebles & Xie 2022, arXiv 2212.09748 */
const TIME_STD = 0.02;

/**
 * Sets every parameter: Linear weights and the patch embedding to Xavier uniform, biases to zero,
 * the modulation and output layers to zero (so each block starts as the identity, the velocity at
 * zero), norm weights to one, and the adapter such that its signal reaches the tokens (with the
 * usual convolution initialisation it fades away, and conditions are not learned).
 *
 * Source: Peebles & Xie 2022, arXiv 2212.09748; the adapter: measured
 */
export function initialiseForTraining(
  model: Transformer3D,
  { generator, conditionScale = 1 }: InitialiseOptions = {},
): void {
  noGrad(() =>
    tidy(() => {
      for (const block of model.blocks) {
        const { attn1, attn2, ff, norm1, norm2, norm3 } = block;
        for (const attn of [attn1, attn2]) {
          for (const linear of [attn.q, attn.k, attn.v, attn.o]) xavier(linear, generator);
          ones(attn.qNorm);
          ones(attn.kNorm);
        }
        for (const linear of [ff.fc1, ff.fc2]) xavier(linear, generator);
        for (const norm of [norm1.norm, norm2, norm3]) if (norm) ones(norm);
        zeros(norm1.linear);
      }
      zeros(model.projOut1);
      zeros(model.projOut2);
      initialisePatches(model.posEmbed, generator);

      const { timestepEmbedder, guidanceEmbedder, deltaEmbedder } = model.timeEmbedder;
      initialiseTime(timestepEmbedder, generator);
      if (guidanceEmbedder) initialiseTime(guidanceEmbedder, generator);
      if (deltaEmbedder) {
        initialiseTime(deltaEmbedder, generator);
        zeros(deltaEmbedder.linear2);
      }

      const { convIn, blocks, convOut } = model.condConv;
      for (const convolution of [convIn, ...blocks, convOut]) {
        const fanIn = convolution.weight.numel / convolution.weight.size(0);
        convolution.weight.normal_(0, ADAPTER_GAIN / Math.sqrt(fanIn), { generator });
        convolution.bias?.zero_();
      }
      if (conditionScale !== null) {
        convOut.weight.mul_(conditionScale / conditionRatio(model, generator));
      }
    }),
  );
}

/** Initialises the patch embedding so that tokens have about the scale of the latents. */
export function initialisePatches({ proj }: PatchEmbed, generator?: Generator): void {
  xavier(proj, generator);
}

/** Standard deviation of the adapter's output over the patch embedding's, on random inputs. */
function conditionRatio(model: Transformer3D, generator?: Generator): number {
  const { config } = model;
  const device = model.projOut2.weight.device;
  const channels = conditionChannels(config);
  const pixels = rand([2, channels - 1, 5, 64, 64], { generator, device })
    .mul(2)
    .sub(1);
  // a random binary mask: about half of the pixels are known
  const mask = rand([2, 1, 5, 64, 64], { generator, device }).round();
  const latents = randn([2, config.in_channels, 2, 8, 8], { generator, device });
  const condition = model.prepareCondition(pixels.mul(mask), mask);
  return standardDeviation(condition) / standardDeviation(model.posEmbed.forward(latents));
}

function standardDeviation(values: Tensor): number {
  return values.to('float32').std(null, { correction: 0 }).item();
}

function initialiseTime(embedding: TimestepEmbedding, generator?: Generator): void {
  for (const linear of [embedding.linear1, embedding.linear2]) {
    linear.weight.normal_(0, TIME_STD, { generator });
    linear.bias?.zero_();
  }
}

/** Uniform in ±√(6 / (fan-in + fan-out)), treating a patch convolution as a Linear; zero bias. */
function xavier({ weight, bias }: Linear | Conv2d | Conv3d, generator?: Generator): void {
  const fanOut = weight.size(0);
  const fanIn = weight.numel / fanOut;
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  weight.uniform_(-limit, limit, { generator });
  bias?.zero_();
}

function zeros({ weight, bias }: Linear): void {
  weight.zero_();
  bias?.zero_();
}

function ones({ weight }: RMSNorm): void {
  weight?.fill_(1);
}
