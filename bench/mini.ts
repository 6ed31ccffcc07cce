/** The small model and its training step on random data, for the benches of training. */
import { velocityLoss } from '../src/diffusion/index.js';
import { TRANSFORMER_PRESETS } from '../src/models/transformer/config.js';
import { initialiseForTraining, Transformer3D } from '../src/models/transformer/index.js';
import { AdamW } from '../src/optim/index.js';
import { manualSeed, rand, randn, type Tensor, tidy } from '../src/tensor/index.js';

/** Clips of 17 frames, 64x64: 5 latent frames of 8x8, 80 tokens. */
export const BATCH = 16;
const [FRAMES, SIZE, LATENT_FRAMES, LATENT_SIZE, TEXT] = [17, 64, 5, 8, 77];

/** One optimizer update of `mfm-mini` in bf16 with float32 masters; returns the loss. */
export function miniTraining(): { step(): number } {
  manualSeed(0);
  const config = TRANSFORMER_PRESETS['mfm-mini'];
  const model = new Transformer3D(config).toDtype('bfloat16');
  initialiseForTraining(model);
  const optimizer = new AdamW(model.namedParameters(), { weightDecay: 0.01 });
  const latentShape = [BATCH, config.in_channels, LATENT_FRAMES, LATENT_SIZE, LATENT_SIZE];
  const data = tidy(() => ({
    latents: randn(latentShape).to('bfloat16'),
    target: randn(latentShape),
    timesteps: rand([BATCH]).mul(1000),
    motionScores: rand([BATCH]).mul(10),
    text: randn([BATCH, TEXT, 128]).to('bfloat16'),
    pixels: rand([BATCH, 4, FRAMES, SIZE, SIZE]).to('bfloat16'),
    mask: rand([BATCH, 1, FRAMES, SIZE, SIZE]).round().to('bfloat16'),
  }));
  for (const t of Object.values(data)) (t as Tensor).keep();
  const { latents, target, ...inputs } = data;

  const step = () => {
    const loss = tidy(() => {
      const value = velocityLoss(model.predict(latents, inputs), target);
      value.backward();
      return value.detach().item();
    });
    optimizer.step({ learningRate: 1e-4, clipGradNorm: 1 });
    optimizer.zeroGrad();
    return loss;
  };
  return { step };
}
