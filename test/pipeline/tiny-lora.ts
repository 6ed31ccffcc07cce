/** A LoRA for the tiny pipeline, as if it had been trained. */
import { addLora, LoraConfig, saveLora } from '../../src/nn/index.js';
import { openPipeline } from '../../src/pipeline/index.js';
import { Generator, noGrad, tidy } from '../../src/tensor/index.js';

/** Writes a folder; another seed is another LoRA. */
export function saveTinyLora(
  folder: string,
  {
    pipeline,
    seed = 1,
    layout = 'diffusers' as 'diffusers' | 'peft',
    alpha = 8,
  }: {
    pipeline: string;
    seed?: number;
    layout?: 'diffusers' | 'peft';
    alpha?: number;
  },
): void {
  const opened = openPipeline(pipeline, { dtype: 'float32' });
  tidy(() => {
    const config = LoraConfig.parse({ rank: 4, alpha });
    const layers = addLora(opened.transformer, config, seed);
    const generator = new Generator(seed);
    noGrad(() => {
      for (const value of layers.parameters()) value.normal_(0, 0.3, { generator });
    });
    saveLora(folder, layers.weights(), { layout });
    layers.dispose();
  });
  opened.dispose();
}
