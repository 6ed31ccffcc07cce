/** The networks that a stage trains, and those that run beside them. */
import type { TransformerConfig } from '../../models/transformer/config.js';
import { lowRankElements, parameterElements } from '../../models/transformer/parameters.js';
import { PipelineSettings } from '../../pipeline/settings.js';
import { type PipelineShape, textElements } from '../../pipeline/shape.js';
import type { Recipe } from '../recipe/config.js';
import { prefixed, trainedNames } from '../recipe/trained-names.js';

/** What is trained, and what is in memory beside it. */
export interface TrainedNetworks {
  transformer: TransformerConfig;
  dtype: 'float32' | 'bfloat16';
  /** tokens of a prompt */
  promptLength: number;
  /** elements; one of which nothing is trained has made its embeddings before */
  textEncoder: { parameters: number };
  autoencoder: { parameters: number };
  /** elements of each parameter that the optimizer gets, by the names that checkpoints have */
  trained: ReadonlyMap<string, number>;
}

/** What of them is trained, as `trainableParameters` has it, for `cost.ts`. */
export function trainedNetworks(
  recipe: Recipe,
  { transformer, textEncoder, parts }: PipelineShape,
  dtype: TrainedNetworks['dtype'],
): TrainedNetworks {
  const { lora } = recipe.transformer;
  const all = new Map([
    ...prefixed('transformer', parameterElements(transformer)),
    ...prefixed('text_encoder', textElements(textEncoder)),
  ]);
  const names = trainedNames(all.keys(), recipe);
  return {
    transformer,
    dtype,
    promptLength: recipe.pipeline.promptLength ?? PipelineSettings.parse({}).promptLength,
    textEncoder: { parameters: parts.text_encoder.parameters },
    autoencoder: { parameters: parts.vae.parameters },
    trained: new Map([
      ...[...all].filter(([name]) => names.has(name)),
      ...(lora ? prefixed('transformer', lowRankElements(transformer, lora)) : []),
    ]),
  };
}
