/** Scenes of MiniWorld with or without a look: how they are drawn from a seed, and rendered. */

import { type Photos, renderLook } from './looks/render-look.js';
import { lookOf, withLook } from './looks/world-look.js';
import { type Rendered, type RenderOptions, renderScene } from './render.js';
import { drawScene, type Scene, type SceneOptions } from './scene.js';

export interface WorldOptions extends SceneOptions {
  /** photos around the solids, and on some of them; default: a plain scene */
  look?: boolean;
}

/** The scene of a seed. @throws InputError as `drawScene` */
export function drawWorld(seed: number, { look = false, ...options }: WorldOptions = {}): Scene {
  const scene = drawScene(seed, options);
  return look ? withLook(scene) : scene;
}

const NONE: Photos = new Map();

/** @param photos   those that a look chooses from, by their place; see `PHOTOS_OF_SCENE` */
export const renderWorld = (scene: Scene, size: RenderOptions, photos: Photos = NONE): Rendered =>
  scene.look
    ? renderLook(scene, lookOf(scene.look, scene.objects), photos, size)
    : renderScene(scene, size);
