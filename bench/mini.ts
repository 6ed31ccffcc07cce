/** The small model and its training step on random data, for training benches. */
import { velocityLoss } from '../src/diffusion/index.js';
import { TRANSFORMER_PRESETS } from '../src/models/transformer/config.js';
import { initialiseForTraining, Transformer3D } from '../src/models/transformer/index.js';
import { AdamW } from '../src/optim/index.js';
import { manualSeed, rand, randn, type Tensor, tidy } from '../src/tensor/index.js';

/** Clips have 17 frames, so 5 latent frames; at 64x64 these are 8x8, which makes 80 tokens. */
export const BATCH = 16;
const [FRAMES, LATENT_FRAMES, TEXT] = [17, 5, 77];

/** The model in bf16, initialised for training, and the loss of a batch of random clips. */
export function miniModel(size = 64, batch = BATCH): { model: Transformer3D; loss(): Tensor } {
  manualSeed(0);
  const config = TRANSFORMER_PRESETS['mfm-mini'];
  const model = new Transformer3D(config).toDtype('bfloat16');
  initialiseForTraining(model);
  const latentShape = [batch, config.in_channels, LATENT_FRAMES, size / 8, size / 8];
  const data = tidy(() => ({
    latents: randn(latentShape).to('bfloat16'),
    target: randn(latentShape),
    timesteps: rand([batch]).mul(1000),
    motionScores: rand([batch]).mul(10),
    text: randn([batch, TEXT, 128]).to('bfloat16'),
    pixels: rand([batch, 4, FRAMES, size, size]).to('bfloat16'),
    mask: rand([batch, 1, FRAMES, size, size]).round().to('bfloat16'),
  }));
  for (const t of Object.values(data)) (t as Tensor).keep();
  const { latents, target, ...inputs } = data;
  return { model, loss: () => velocityLoss(model.predict(latents, inputs), target) };
}

/** Training of `mfm-mini` in bf16 with float32 master weights; `step` returns the loss. */
export function miniTraining(size = 64): { step(): number } {
  const { model, loss } = miniModel(size);
  const optimizer = new AdamW(model.namedParameters(), { weightDecay: 0.01 });
  const step = () => {
    const value = tidy(() => {
      const mean = loss();
      mean.backward();
      return mean.detach().item();
    });
    optimizer.step({ learningRate: 1e-4, clipGradNorm: 1 });
    optimizer.zeroGrad();
    return value;
  };
  return { step };
}
