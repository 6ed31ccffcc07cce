/** Scenes of MiniWorld as items: plain ones, and others with photos, more shapes and more solids. */

import { MINIWORLD_VERSION, type Scene } from '../../../data/miniworld/index.js';
import { findPhotos } from '../../../data/miniworld/looks/photo-files.js';
import { LOOKS_VERSION, PHOTOS_OF_SCENE } from '../../../data/miniworld/looks/world-look.js';
import { drawWorld } from '../../../data/miniworld/world.js';
import { RandomStream } from '../../../data/random.js';
import { contentHash } from '../../../data/sources/data-file.js';
import type { DataFile } from '../../../data/sources/items.js';
import { keyOf } from '../../../data/store.js';
import type { MiniWorldSource } from '../../recipe/config.js';
import type { SceneOrigin, SourceItem } from './item.js';

/** A photo and the hash of its content. */
interface KnownPhoto {
  file: DataFile;
  hash: string;
}

/** What scenes are drawn by. */
export interface ScenePlan {
  maxObjects: number;
  /** null: all scenes are plain */
  others: {
    share: number;
    solids: [least: number, most: number];
    moreShapes: boolean;
    /** null: they have no look */
    photos: Record<'train' | 'heldout', readonly KnownPhoto[]> | null;
  } | null;
}

/**
 * The plan of a source, whose photos are found and read once.
 *
 * @param onSkip  called for each photo that cannot be used
 * @throws InputError if there are none that can
 */
export async function scenePlan(
  source: MiniWorldSource,
  onSkip?: (where: string, reason: string) => void,
): Promise<ScenePlan> {
  const { maxObjects, plainShare, photos, moreShapes = false, solids } = source;
  if (photos === undefined && !moreShapes && !solids) return { maxObjects, others: null };
  const found = photos === undefined ? null : await findPhotos(photos, onSkip);
  const known = async (files: readonly DataFile[]) => {
    const all: KnownPhoto[] = [];
    for (const file of files) all.push({ file, hash: await contentHash([file], '') });
    return all;
  };
  const train = found && (await known(found.train));
  const heldOut = found && (await known(found.heldOut));
  return {
    maxObjects,
    others: {
      share: 1 - plainShare,
      solids: solids ?? [1, maxObjects],
      moreShapes,
      photos: train && { train, heldout: heldOut!.length > 0 ? heldOut! : train },
    },
  };
}

/**
 * The item for the scene of a seed. A plain scene is the same whatever else a plan draws.
 *
 * @param which   default: drawn by the plan's share
 */
export function sceneAt(
  kind: 'image' | 'clip',
  split: 'train' | 'heldout',
  seed: number,
  plan: ScenePlan,
  which?: 'plain' | 'other',
): SourceItem {
  const { maxObjects, others } = plan;
  const random = new RandomStream(seed, `surroundings ${kind} ${split}`);
  const isOther = random.chance(others?.share ?? 0);
  const image = kind === 'image';
  const base = { kind: 'scene', seed, split, maxObjects, image } as const;
  if (!others || !(which ? which === 'other' : isOther)) {
    const content = keyOf('scene', MINIWORLD_VERSION, seed, split, maxObjects, kind);
    return { where: `miniworld ${kind} of seed ${seed}`, kind, content, origin: base, facts: null };
  }
  const { solids, moreShapes, photos } = others;
  const origin: SceneOrigin = { ...base, solids, moreShapes };
  const chosen = photos
    ? Array.from({ length: PHOTOS_OF_SCENE }, () => random.pick(photos[split]))
    : [];
  if (photos) origin.photos = chosen.map(({ file }) => file);
  const content = keyOf(
    'scene with a look',
    [MINIWORLD_VERSION, LOOKS_VERSION],
    [seed, split, kind],
    [solids, moreShapes],
    chosen.map(({ hash }) => hash),
  );
  return { where: `miniworld ${kind} of seed ${seed}`, kind, content, origin, facts: null };
}

/** The scene that an item is drawn from. */
export const sceneOf = ({ seed, photos, ...options }: Omit<SceneOrigin, 'kind'>): Scene =>
  drawWorld(seed, { ...options, look: photos !== undefined });
