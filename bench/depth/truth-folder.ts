/**
 * Reads pictures and clips with true depth from a folder:
 *
 *     NAME.png (or any picture or clip that mfm reads, or a folder NAME of pictures)
 *     NAME.depth.safetensors   one tensor, [H, W] or [F, H, W]; or
 *     NAME.depth.png           16 bits, gray; or a folder NAME.depth of them, one per frame
 *     NAME.depth.json          { "kind": "distance" or "disparity", "invalid": 0 }
 *
 * Distances are along the optical axis, in any unit. A disparity is 0 at infinity: add the offset of the
 * principal points where the cameras have one. `invalid` (0 unless given) and values of 0 or less mark
 * pixels whose depth is not known.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { checkConfig } from '../../src/check-config.js';
import { InputError } from '../../src/errors.js';
import { readJson } from '../../src/files/read-json.js';
import { pictureNames } from '../../src/media/codecs/read.js';
import { decoded, openStill } from '../../src/media/codecs/still.js';
import { readDepthTensor } from '../../src/media/depth/depth-tensor.js';
import { type DepthMap, type Frames, readMedia } from '../../src/media/index.js';

const FACTS = '.depth.json';
const Facts = z.strictObject({
  kind: z.enum(['distance', 'disparity']),
  invalid: z.number().default(0),
});
type Facts = z.infer<typeof Facts>;

/** A picture or clip with its truth. */
export interface TrueDepth {
  name: string;
  frames: Frames;
  /** inverse distance in any unit, 0 where it is not known, [F, H, W] */
  truth: Float32Array;
}

/** @throws InputError if the folder has no such files */
export function truthNames(folder: string): string[] {
  if (!existsSync(folder)) throw new InputError(`${folder}: does not exist; name a folder`);
  const names = readdirSync(folder)
    .filter((file) => file.endsWith(FACTS))
    .map((file) => file.slice(0, -FACTS.length))
    .sort();
  if (names.length > 0) return names;
  throw new InputError(
    `${folder}: holds no true depth; give NAME.png, NAME.depth.png and NAME${FACTS}, which says { "kind": "distance" } or { "kind": "disparity" }`,
  );
}

/** @throws InputError if a file is missing, or the depth does not fit the picture or clip */
export async function readTrueDepth(folder: string, name: string): Promise<TrueDepth> {
  const path = join(folder, `${name}${FACTS}`);
  const facts = checkConfig(Facts, readJson(path), path);
  const map = await readValues(folder, name);
  const frames = await readMedia(mediaOf(folder, name));
  const [is, of] = [map, frames].map((x) => `${x.numFrames} frames of ${x.width}x${x.height}`);
  if (is !== of) {
    throw new InputError(
      `${map.path}: must have the size and length of its picture or clip, ${of}, got ${is}`,
    );
  }
  const truth = map.data.map((value) => inverseOf(value, facts));
  if (truth.every((value) => value === 0)) {
    throw new InputError(`${map.path}: has no valid pixel; check \`invalid\` in ${path}`);
  }
  return { name, frames, truth };
}

function inverseOf(value: number, { kind, invalid }: Facts): number {
  if (value === invalid || value <= 0) return 0;
  return kind === 'distance' ? 1 / value : value;
}

/** The file or folder that is named NAME or NAME.EXTENSION, and no part of the truth. */
function mediaOf(folder: string, name: string): string {
  const found = readdirSync(folder).filter(
    (file) => (file === name || file.replace(/\.[^.]+$/, '') === name) && file !== `${name}.depth`,
  );
  if (found.length === 1) return join(folder, found[0]);
  const got = found.length === 0 ? 'none' : found.join(', ');
  throw new InputError(`${folder}: must hold one picture or clip named ${name}, got ${got}`);
}

async function readValues(folder: string, name: string): Promise<DepthMap> {
  const [tensor, png, frames] = ['.depth.safetensors', '.depth.png', '.depth'].map((ending) =>
    join(folder, `${name}${ending}`),
  );
  if (existsSync(tensor)) return readDepthTensor(tensor);
  if (existsSync(png)) return readPng(png);
  if (!existsSync(frames)) {
    throw new InputError(
      `${folder}: has ${name}${FACTS}, but no depth for it; add ${name}.depth.safetensors or ${name}.depth.png`,
    );
  }
  const maps: DepthMap[] = [];
  for (const file of await pictureNames(frames)) maps.push(await readPng(join(frames, file)));
  const [first] = maps;
  if (
    !first ||
    maps.some(({ width, height }) => width !== first.width || height !== first.height)
  ) {
    throw new InputError(`${frames}: must hold depth maps of one size`);
  }
  const data = new Float32Array(maps.length * first.data.length);
  for (const [i, map] of maps.entries()) data.set(map.data, i * first.data.length);
  return { ...first, path: frames, numFrames: maps.length, data };
}

/** Unchanged values of a 16-bit picture; `readDepth` would stretch them to a range. */
async function readPng(path: string): Promise<DepthMap> {
  const still = await openStill(path);
  const { space, depth } = still.facts;
  if (depth !== 'ushort' || (space !== 'b-w' && space !== 'grey16')) {
    throw new InputError(`${path}: true depth must be gray with 16 bits, got ${space} (${depth})`);
  }
  const gray = still.decoder().toColourspace('grey16').extractChannel(0);
  const { data, info } = await decoded(path, gray, 'ushort');
  const values = new Uint16Array(data.buffer, data.byteOffset, data.length / 2);
  const { width, height } = info;
  return { path, width, height, numFrames: 1, data: Float32Array.from(values) };
}
