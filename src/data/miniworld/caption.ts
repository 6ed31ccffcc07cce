/**
 * Captions of scenes, in a small fixed grammar. Everything a caption says is true of the clip; what it
 * leaves out (a size, a still camera) varies with the seed.
 */

import { RandomStream } from '../random.js';
import { Body } from './body.js';
import type { WorldLook } from './looks/look.js';
import type { Scene } from './scene.js';
import type { Solid } from './solid.js';
import { castRay } from './solids.js';
import {
  COS_PITCH,
  frameTimes,
  overlap,
  type Placed,
  placeAt,
  type ScreenBox,
  SIN_PITCH,
  screenBox,
  viewAt,
} from './view.js';
import type { CameraMotion, Motion } from './vocabulary.js';

const VERBS: Record<Motion, readonly string[]> = {
  still: ['stands still', 'rests'],
  left: ['moves left', 'slides to the left'],
  right: ['moves right', 'slides to the right'],
  toward: ['comes closer', 'moves toward the camera'],
  away: ['moves away', 'moves away from the camera'],
  up: ['rises', 'floats up'],
  spin: ['spins', 'turns around'],
};

const CAMERA: Record<CameraMotion, string> = {
  still: 'the camera is still',
  'pan left': 'the camera pans left',
  'pan right': 'the camera pans right',
  'zoom in': 'the camera zooms in',
  'zoom out': 'the camera zooms out',
};

/** What is around the solids; nothing is said of plain scenes. */
const SETTING_WORDS: Record<WorldLook['setting'], string> = {
  ground: 'on a photographed ground',
  wall: 'before a photographed wall',
  room: 'in a photographed room',
  photo: 'in front of a photo',
};

/** The caption of the scene as a clip of `numFrames`; that of an image does not mention motion. */
export function captionOf(scene: Scene, numFrames: number): string {
  const random = new RandomStream(scene.seed, `caption ${scene.split}`);
  const image = numFrames === 1;
  // the same random draws for image and clip, so that their captions differ only in motion
  const names = scene.objects.map((solid) => {
    const size = random.chance(0.7) ? `${solid.size} ` : '';
    const article = size === '' && solid.colour === 'orange' && !solid.pattern ? 'an' : 'a';
    const pattern = solid.pattern ? 'patterned ' : '';
    return `${article} ${size}${pattern}${solid.colour} ${solid.shape}`;
  });
  const verbs = scene.objects.map((solid) => random.pick(VERBS[solid.motion]));
  const sayStill = random.chance(0.3);
  const sayCamera = !image && (scene.camera.motion !== 'still' || sayStill);

  const sentence = [names[0] + (image ? '' : ` ${verbs[0]}`)];
  if (scene.objects.length > 1) {
    const [first, second] = scene.objects;
    const relation = relate(scene, first, second, numFrames);
    if (relation === undefined) {
      sentence[0] += ` and ${names[1]}${image ? '' : ` ${verbs[1]}`}`;
    } else {
      // "moves left behind a blue sphere", "… that rises"; standing still need not be mentioned
      const rest = image || (second.motion === 'still' && !sayStill) ? '' : ` that ${verbs[1]}`;
      sentence[0] += ` ${relation} ${names[1]}${rest}`;
    }
  }
  for (let i = 2; i < scene.objects.length; i++) {
    sentence.push(`${names[i]}${image ? '' : ` ${verbs[i]}`}`);
  }
  if (scene.look) sentence.push(SETTING_WORDS[scene.look.setting]);
  if (sayCamera) {
    sentence.push(CAMERA[scene.camera.motion]);
  }
  return sentence.join(', ');
}

/**
 * Position of the first solid relative to the second: "behind" or "in front of" if one covers a good part
 * of the other in some frame and their order in depth never changes; "left of" or "right of" in images
 * in which they lie side by side; otherwise undefined.
 */
function relate(scene: Scene, a: Solid, b: Solid, numFrames: number): string | undefined {
  const times = frameTimes(scene, numFrames);
  const count = Math.min(times.length, 9); // nine moments are enough for a long clip
  let farther = 0;
  let covered = 0;
  let apart = 0;
  for (let i = 0; i < count; i++) {
    const time = times[count === 1 ? 0 : Math.round((i * (times.length - 1)) / (count - 1))];
    const view = viewAt(scene, time);
    const [placedA, placedB] = [placeAt(a, time, view), placeAt(b, time, view)];
    const [boxA, boxB] = [screenBox(a, placedA, view.focal), screenBox(b, placedB, view.focal)];
    apart = boxA.left + boxA.right - boxB.left - boxB.right;
    const behind = placedA.z > placedB.z;
    farther += behind ? 1 : 0;
    if (overlap(boxA, boxB) > 0) {
      const [bodyA, bodyB] = [bodyOf(a, placedA), bodyOf(b, placedB)];
      const share = behind
        ? hiddenShare(bodyA, bodyB, boxA, view.focal)
        : hiddenShare(bodyB, bodyA, boxB, view.focal);
      covered = Math.max(covered, share);
    }
  }
  if (covered > 0.1 && farther % count === 0) {
    return farther > 0 ? 'behind' : 'in front of';
  }
  if (numFrames === 1 && covered <= 0.1 && Math.abs(apart) > 0.5) {
    return apart < 0 ? 'left of' : 'right of';
  }
  return undefined;
}

function bodyOf(solid: Solid, placed: Placed): Body {
  const body = new Body();
  body.place(solid, placed, 0, 1, 0);
  return body;
}

/** The share of `body` that `cover` hides, estimated with 8x8 rays through its box on the frame. */
function hiddenShare(body: Body, cover: Body, box: ScreenBox, focal: number): number {
  let [seen, hidden] = [0, 0];
  for (let i = 0; i < 64; i++) {
    const u = (box.left + ((box.right - box.left) * ((i % 8) + 0.5)) / 8) / focal;
    const v = -(box.top + ((box.bottom - box.top) * (Math.floor(i / 8) + 0.5)) / 8) / focal;
    const dy = v * COS_PITCH - SIN_PITCH;
    const dz = COS_PITCH + v * SIN_PITCH;
    if (castRay(body, u, dy, dz)) {
      seen++;
      hidden += castRay(cover, u, dy, dz) ? 1 : 0;
    }
  }
  return seen > 0 ? hidden / seen : 0;
}
