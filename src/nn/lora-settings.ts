/** The settings stored with LoRA tensors, under PEFT's names, which diffusers uses too. */
import { z } from 'zod';
import { checkConfig } from '../check-config.js';
import { InputError } from '../errors.js';
import { withTimeLimit } from '../time-limit.js';
import type { LoraWeights } from './lora.js';

const no = (what: string) =>
  z.union(
    [z.literal(false), z.null()],
    `${what} is not supported; merge it with the program that made it`,
  );
const byName = z
  .record(z.string(), z.number())
  .refine((patterns) => Object.keys(patterns).every(isPattern), 'keys must be regular expressions')
  .nullish();

/** The settings that affect what the tensors mean; others are ignored. */
const AdapterSettings = z.looseObject({
  peft_type: z.literal('LORA').optional(),
  r: z.int().positive().optional(),
  lora_alpha: z.number().nullish(),
  rank_pattern: byName,
  alpha_pattern: byName,
  use_rslora: z.boolean().nullish(),
  use_dora: no('DoRA').optional(),
  lora_bias: no('a bias of LoRA layers').optional(),
  fan_in_fan_out: no('fan_in_fan_out').optional(),
  bias: z.literal('none', 'trained biases are not supported').nullish(),
  modules_to_save: z
    .union([z.null(), z.array(z.string()).max(0)], 'modules_to_save is not supported')
    .optional(),
});
export type AdapterSettings = z.infer<typeof AdapterSettings>;

/** Checks settings. @throws InputError naming each that is wrong or not supported */
export const adapterSettings = (source: unknown, where: string): AdapterSettings =>
  checkConfig(AdapterSettings, source, where);

/** A layer of a file. */
interface LayerSize {
  name: string;
  rank: number;
  /** the value of its `.alpha` tensor, which takes precedence over all settings */
  own: number | null;
}

/**
 * The alpha of each layer: its output is multiplied by alpha / rank. Without any setting alpha is
 * the rank, so that factor is 1.
 *
 * @throws InputError if a pattern takes too long to match
 * Source: PEFT `LoraLayer.update_layer`; Kalajdzievski 2023 (rank-stabilised), arXiv 2312.03732
 */
export function alphasFor(
  layers: readonly LayerSize[],
  settings: AdapterSettings | null,
  where: string,
): number[] {
  const { lora_alpha: all, alpha_pattern, use_rslora } = settings ?? {};
  // keys are regular expressions that match the end of a name
  const patterns = Object.entries(alpha_pattern ?? {}).map(
    ([key, alpha]) => [new RegExp(`^(.*\\.)?(${key})$`), alpha] as const,
  );
  const alphaOf = ({ name, rank, own }: LayerSize) => {
    if (own !== null) return own;
    const one = patterns.find(([pattern]) => pattern.test(name));
    const alpha = one?.[1] ?? all ?? rank;
    return use_rslora ? alpha * Math.sqrt(rank) : alpha;
  };
  return withTimeLimit(
    () => layers.map(alphaOf),
    MATCHING_MS,
    () => new InputError(`${where}: alpha_pattern takes too long to match; name layers in full`),
  );
}

/** Matching thousands of names and patterns takes a few tenths of a second. */
const MATCHING_MS = 5000;

/** Settings that describe these layers. */
export function settingsOf(weights: LoraWeights) {
  const layers = [...weights].map(([name, { a, alpha }]) => ({ name, rank: a.size(0), alpha }));
  const rank = commonest(layers.map((layer) => layer.rank));
  const alpha = commonest(layers.map((layer) => layer.alpha));
  const others = (key: 'rank' | 'alpha', usual: number) =>
    Object.fromEntries(
      layers.flatMap((layer) => (layer[key] === usual ? [] : [[layer.name, layer[key]]])),
    );
  return {
    r: rank,
    lora_alpha: alpha,
    rank_pattern: others('rank', rank),
    alpha_pattern: others('alpha', alpha),
    target_modules: layers.map(({ name }) => name),
  };
}

function isPattern(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}

function commonest(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]![0];
}
