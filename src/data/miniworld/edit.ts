/**
 * Edits: the scene before a change, and the instruction for the change. The given scene is the result,
 * so that the clips of a data set serve as targets unchanged.
 */
import { RandomStream } from '../random.js';
import { isClear, withPattern } from './looks/world-look.js';
import { dimensions, oneMoreSolid, type Scene, shapesOf } from './scene.js';
import type { Solid } from './solid.js';
import { COLOUR_NAMES, isHeldOutPair, SIZE_NAMES, SIZES } from './vocabulary.js';

export interface Edit {
  before: Scene;
  /** "turn the red cube blue" */
  instruction: string;
}

const KINDS = ['colour', 'shape', 'size', 'add', 'remove'] as const;

/**
 * The edit that leads to a scene; the same for the same seed and split. It never introduces a held-out
 * pair of colour and shape before the change, so that training sees none.
 */
export function editOf(scene: Scene): Edit {
  const random = new RandomStream(scene.seed, `edit ${scene.split}`);
  // a draw fails if, say, the scene has no room for another solid, or none to spare
  for (;;) {
    const edit = drawEdit(scene, random);
    if (edit) return edit;
  }
}

function drawEdit(scene: Scene, random: RandomStream): Edit | null {
  const { objects } = scene;
  const index = Math.floor(random.next() * objects.length);
  const after = objects[index]!;
  const replaced = (solid: Solid): Scene => ({ ...scene, objects: objects.with(index, solid) });
  switch (random.pick(KINDS)) {
    case 'colour': {
      const colour = random.pick(COLOUR_NAMES);
      const taken = objects.some((solid) => solid.colour === colour);
      if (taken || isHeldOutPair(colour, after.shape)) return null;
      return {
        before: replaced({ ...after, colour }),
        instruction: `turn the ${colour} ${after.shape} ${after.colour}`,
      };
    }
    case 'shape': {
      const shape = random.pick(shapesOf(scene));
      if (shape === after.shape || isHeldOutPair(after.colour, shape)) return null;
      const before = { ...after, shape, ...dimensions(shape, SIZES[after.size]) };
      return {
        before: replaced(before),
        instruction: `turn the ${after.colour} ${shape} into a ${after.shape}`,
      };
    }
    case 'size': {
      const size = random.pick(SIZE_NAMES);
      if (size === after.size) return null;
      const before = { ...after, size, ...dimensions(after.shape, SIZES[size]) };
      return {
        before: replaced(before),
        instruction: `make the ${after.colour} ${after.shape} ${after.size}`,
      };
    }
    case 'add': {
      if (objects.length < 2) return null;
      return {
        before: { ...scene, objects: objects.toSpliced(index, 1) },
        instruction: `add a ${after.size} ${after.colour} ${after.shape}`,
      };
    }
    case 'remove': {
      const plain = oneMoreSolid(random, scene);
      if (!plain || (scene.look && !isClear(plain, scene.look))) return null;
      const extra = scene.look ? withPattern(random, plain) : plain;
      return {
        before: { ...scene, objects: [...objects, extra] },
        instruction: `remove the ${extra.colour} ${extra.shape}`,
      };
    }
  }
}
