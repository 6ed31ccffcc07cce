/** Prepares the inputs that stay the same over all steps: text, conditions and positions. */
import { setImmediate } from 'node:timers/promises';
import { type PreparedText, StepCache, type Transformer3D } from '../models/transformer/index.js';
import type { Condition } from '../tasks/index.js';
import { cat, full, noGrad, type Tensor, tidy } from '../tensor/index.js';
import { type Batch, disposeBatches, keptInputs, type StepInputs } from './batches.js';
import { batchesOf, cutLatents, latentTiles, type Tile, type Tiling } from './generate/tiles.js';
import type { OnProgress } from './progress.js';

export interface GridOptions {
  /** the prompts' text, all negative rows first; with `count`, one sample's text that many times */
  textOf: (count: number | null) => PreparedText;
  /** whole samples with a condition each, or the tiles of one sample */
  given: { conditions: readonly Condition[] } | { tiling: Tiling; spatialCompression: number };
  /** there are negative rows */
  guided: boolean;
  /** some steps run without guidance */
  someUnguided: boolean;
  motionScore: number;
  /** 0: every step is computed */
  cacheThreshold: number;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * Prepares one batch, or the batches of every grid of tiles; the caller frees them with
 * `disposeBatches`.
 *
 * @param latents   [B, C, f, h, w]; only their shape and device matter
 * @throws the signal's reason when it aborts, between batches
 */
export async function prepareGrids(
  transformer: Transformer3D,
  latents: Tensor,
  options: GridOptions,
): Promise<Batch[][]> {
  const { given, onProgress, signal } = options;
  const places: (readonly Tile[] | null)[][] =
    'tiling' in given ? batchesOf(given.tiling) : [[null]];
  const total = places.flat().length;
  const grids: Batch[][] = places.map(() => []);
  const shared = new Map<number, SharedInputs>();
  try {
    for (const [grid, batches] of places.entries()) {
      for (const tiles of batches) {
        signal?.throwIfAborted();
        onProgress?.('condition', grids.flat().length, total);
        const batch = () => batchOf(transformer, latents, tiles, shared, options);
        grids[grid]!.push(noGrad(() => tidy(batch)));
        await setImmediate();
      }
    }
    return grids;
  } catch (error) {
    disposeBatches(grids.flat());
    throw error;
  }
}

/** Inputs that do not depend on the condition: batches of one size share them. */
type SharedInputs = Omit<StepInputs['all'], 'condition'>;

/** @param shared   shared inputs by number of samples; missing ones are added */
function batchOf(
  transformer: Transformer3D,
  latents: Tensor,
  places: readonly Tile[] | null,
  shared: Map<number, SharedInputs>,
  { given, textOf, guided, someUnguided, motionScore, cacheThreshold }: GridOptions,
): Batch {
  const tiles =
    places && 'tiling' in given
      ? latentTiles(places, given.tiling.tile, given.spatialCompression)
      : null;
  const count = places?.length ?? latents.size(0);
  const own = shared.get(count) ?? {
    text: textOf(places && count),
    rope: transformer.prepareRope(tiles ? cutLatents(latents, tiles[0]!) : latents),
    motionScores: full([guided ? 2 * count : count], motionScore, { device: latents.device }),
  };
  shared.set(count, own);
  const condition = tidy(() => {
    const conditions = 'tiling' in given ? places!.map(given.tiling.conditionOf) : given.conditions;
    return conditionTokens(transformer, conditions, guided);
  });
  return {
    inputs: keptInputs({ ...own, condition }, guided && someUnguided ? count : null),
    stepCache: cacheThreshold > 0 ? new StepCache(cacheThreshold) : null,
    tiles,
  };
}

/** Conditions as tokens, [B, L, D]; with guidance [2 B, L, D], the negative ones first. */
function conditionTokens(
  transformer: Transformer3D,
  conditions: readonly Condition[],
  guided: boolean,
): Tensor {
  const { device } = transformer;
  const takesDepth = transformer.config.use_depth_cond;
  const stack = (part: keyof Condition) => cat(conditions.map((one) => one[part])).to(device);
  const [pixels, depth, known] = [stack('pixels'), stack('depth'), stack('mask')];
  const tokens = (own: Tensor) =>
    transformer.prepareCondition(takesDepth ? cat([pixels, own], 1) : pixels, known);
  const positive = tokens(depth);
  if (!guided) return positive;
  // the negative rows keep pixels and mask, but get no depth
  const hasDepth = conditions.some((one) => one.depth.abs().sum().item() > 0);
  const negative = takesDepth && hasDepth ? tokens(depth.zerosLike()) : positive;
  return cat([negative, positive]);
}
