/** A pipeline folder with tiny random networks, for tests of what is done with a pipeline. */

import { SchedulerConfig } from '../../src/diffusion/index.js';
import { Autoencoder, parseAutoencoderConfig } from '../../src/models/autoencoder/index.js';
import { buildTokenizer, parseT5Config, T5Encoder } from '../../src/models/t5/index.js';
import { TRANSFORMER_PRESETS, Transformer3D } from '../../src/models/transformer/index.js';
import { PipelineSettings, savePipeline } from '../../src/pipeline/index.js';
import { manualSeed, tidy } from '../../src/tensor/index.js';

/** Writes it to `folder`; it makes 32x32, clips of 5 frames, in two steps. */
export function saveTinyPipeline(folder: string, changes: Record<string, unknown> = {}): void {
  tidy(() => {
    manualSeed(0);
    const { vocabSize, ...tokenizer } = buildTokenizer(['a', 'red', 'cube', '#task:']);
    const autoencoder = new Autoencoder(
      parseAutoencoderConfig({
        _class_name: 'AutoencoderKLCogVideoX',
        block_out_channels: [8, 8, 8, 8],
        layers_per_block: 1,
        norm_num_groups: 4,
        scaling_factor: 1,
      }),
    );
    const transformer = new Transformer3D({
      ...TRANSFORMER_PRESETS['mfm-mini'],
      num_layers: 1,
      num_attention_heads: 1,
      cross_attention_dim: 32,
      cond_block_out_channels: [4, 4, 8, 8, 8],
      sample_size: 4,
    });
    const textEncoder = new T5Encoder(
      parseT5Config({
        vocab_size: vocabSize,
        d_model: 32,
        d_kv: 16,
        d_ff: 32,
        num_layers: 1,
        num_heads: 2,
        feed_forward_proj: 'gated-gelu',
      }),
    ).initialise();
    const settings = PipelineSettings.parse({
      width: 32,
      height: 32,
      numFrames: 5,
      fps: 8,
      promptLength: 16,
      numInferenceSteps: 2,
      guidanceScale: 2,
      motionScore: 1,
      ...changes,
    });
    const scheduler = SchedulerConfig.parse({});
    savePipeline(
      folder,
      { transformer, autoencoder, textEncoder, scheduler, settings },
      tokenizer,
      'float32',
    );
    for (const network of [transformer, autoencoder, textEncoder]) network.dispose();
  });
}
