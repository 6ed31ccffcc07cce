/** Was the instruction of an edit followed? */
import type { SeenSolid } from '../../data/miniworld/analyse.js';
import { editOf } from '../../data/miniworld/edit.js';
import type { Scene, Solid } from '../../data/miniworld/index.js';
import type { Frames } from '../../media/index.js';
import { solidsAt } from './kept.js';

/** What an edit asks for: whether a frame shows it, given the same frame of the input and of the truth. */
type Check = (seen: Frame, input: Frame, truth: Frame) => boolean;

type Frame = readonly SeenSolid[];

/**
 * The share of frames in which a result follows the instruction of the scene's edit: a new colour or shape, a
 * size nearer to the true one than to the one before, a solid added, or removed. Only frames count in which
 * the true clip is recognised to show the edit, and the input not to; null if there are none.
 *
 * @param input  the clip before the edit
 */
export function editFollowed(
  clip: Frames,
  { input, truth, scene }: { input: Frames; truth: Frames; scene: Scene },
): number | null {
  const shows = checkOf(editOf(scene).before, scene);
  let [followed, count] = [0, 0];
  for (let frame = 0; frame < truth.numFrames; frame++) {
    const [before, after] = [solidsAt(input, frame), solidsAt(truth, frame)];
    if (!shows(after, before, after) || shows(before, before, after)) continue;
    count += 1;
    if (shows(solidsAt(clip, frame), before, after)) followed += 1;
  }
  return count > 0 ? followed / count : null;
}

function checkOf(before: Scene, { objects }: Scene): Check {
  const has = (scene: Scene['objects'], one: Solid) => scene.some((other) => alike(one, other));
  const gone = before.objects.find((one) => !has(objects, one)) ?? null;
  const added = objects.find((one) => !has(before.objects, one)) ?? null;
  if (!added) return (seen) => !ofColour(seen, gone!);
  const shown = (seen: Frame) => seen.some((one) => alikeSeen(one, added));
  if (!gone) return shown;
  if (gone.colour !== added.colour)
    return (seen) => !!ofColour(seen, added) && !ofColour(seen, gone);
  if (gone.shape !== added.shape) return shown;
  return (seen, input, truth) => {
    const [area, old, wanted] = [seen, input, truth].map((frame) => ofColour(frame, added)?.area);
    if (!area || !old || !wanted) return false;
    return Math.abs(Math.log(area / wanted)) < Math.abs(Math.log(area / old));
  };
}

const alike = (a: Solid, b: Solid): boolean =>
  a.colour === b.colour && a.shape === b.shape && a.size === b.size;
const alikeSeen = (seen: SeenSolid, { colour, shape }: Solid): boolean =>
  seen.colour === colour && seen.shape === shape;
const ofColour = (seen: Frame, { colour }: Solid): SeenSolid | undefined =>
  seen.find((one) => one.colour === colour);
