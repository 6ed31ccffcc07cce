/** The networks that a stage trains, and those that run beside them. */
import type { TransformerConfig } from '../../models/transformer/config.js';
import { widthOf } from '../../models/transformer/cost.js';
import {
  hiddenMatrices,
  lowRankElements,
  parameterElements,
  parameterShapes,
} from '../../models/transformer/parameters.js';
import { muonFlops } from '../../optim/muon-cost.js';
import { PipelineSettings } from '../../pipeline/settings.js';
import { type PipelineShape, textElements } from '../../pipeline/shape.js';
import type { PipelineRecipe, Stage } from '../recipe/config.js';
import { type Alignment, alignedTo, headLayers } from '../recipe/levers-config.js';
import { stagesOf } from '../recipe/stages.js';
import { prefixed, trainedNames } from '../recipe/trained-names.js';

/** The trained parameters, and the networks that are in memory beside them. */
export interface TrainedNetworks {
  transformer: TransformerConfig;
  dtype: 'float32' | 'bfloat16';
  /** length of a prompt in tokens */
  promptLength: number;
  /** number of elements; a text encoder that is not trained has encoded the prompts ahead */
  textEncoder: { parameters: number };
  autoencoder: { parameters: number };
  /** number of elements of each trained parameter, by its name in checkpoints */
  trained: ReadonlyMap<string, number>;
  /** what Muon updates: number of elements, and the operations of a step; default: nothing */
  muon?: { elements: number; flops: number };
}

/**
 * The networks of a recipe and what is trained of them, for `cost.ts`; agrees with
 * `trainableParameters`.
 */
export function trainedNetworks(
  recipe: PipelineRecipe,
  { transformer, textEncoder, parts }: PipelineShape,
  dtype: TrainedNetworks['dtype'],
): TrainedNetworks {
  const { lora } = recipe.transformer;
  const all = new Map([
    ...prefixed('transformer', parameterElements(transformer)),
    ...prefixed('text_encoder', textElements(textEncoder)),
  ]);
  const names = trainedNames(all.keys(), recipe);
  const { name } = recipe.transformer.optimizer;
  const aligned = alignedTo(stagesOf(recipe));
  return {
    ...(name === 'muon' ? { muon: muonOf(transformer, names) } : {}),
    transformer,
    dtype,
    promptLength: recipe.pipeline.promptLength ?? PipelineSettings.parse({}).promptLength,
    textEncoder: { parameters: parts.text_encoder.parameters },
    autoencoder: { parameters: parts.vae.parameters },
    trained: new Map([
      ...[...all].filter(([name]) => names.has(name)),
      ...(lora ? prefixed('transformer', lowRankElements(transformer, lora)) : []),
      ...(aligned ? prefixed('alignment', headElements(transformer, aligned)) : []),
    ]),
  };
}

/** The trained matrices of the blocks, which Muon updates. */
function muonOf(
  config: TransformerConfig,
  trained: ReadonlySet<string>,
): NonNullable<TrainedNetworks['muon']> {
  const shapes = parameterShapes(config);
  const muon = { elements: 0, flops: 0 };
  for (const name of hiddenMatrices(config)) {
    if (!trained.has(`transformer.${name}`)) continue;
    const [rows, columns] = shapes.get(name) as [number, number];
    muon.elements += rows * columns;
    muon.flops += muonFlops([rows, columns]);
  }
  return muon;
}

/** The number of elements of each parameter of the network that aligns a block, by name. */
function headElements(config: TransformerConfig, to: Alignment['to']): [string, number][] {
  return headLayers(to, { ...config, width: widthOf(config) }).flatMap(
    ([from, to], i): [string, number][] => [
      [`layers.${i}.weight`, from * to],
      [`layers.${i}.bias`, to],
    ],
  );
}

/** The networks in a stage: a distillation trains a copy of the whole transformer, and no text encoder. */
export function networksIn(
  networks: TrainedNetworks,
  { distillation }: Pick<Stage, 'distillation'>,
): TrainedNetworks {
  if (!distillation) return networks;
  const transformer = { ...networks.transformer, deltatime_type: 't-r' as const };
  const trained = new Map(prefixed('transformer', parameterElements(transformer)));
  return { ...networks, transformer, trained };
}
