/** What is known about a clip that is to be generated: the form in which all tasks say it. */
import type { DepthMap, Frames, Size } from '../media/index.js';
import type { Hole } from '../media/mask/resize-mask.js';

/** Frames that are known, wholly or in part. */
export interface Known {
  /** at any size */
  frames: Frames;
  /** position of each frame on the new clip's timeline; as many as `frames` has */
  at: number[];
  /** [F, H, W] for the known frames, at their size; null: everything is kept */
  hole: Hole | null;
  /** true: only the brightness of these frames is known */
  gray?: boolean;
  /** depth of these frames, at any size; absent or null: estimated, if there is a model */
  depth?: DepthMap | null;
}

/** The depth of frames, whether or not their pixels are known: estimated from frames, or given. */
export interface Geometry {
  /** frames of which only the depth is used; null: there are none */
  frames: Frames | null;
  /** [F, H, W] at any size; null: estimated from the frames */
  depth: DepthMap | null;
  /** position of each frame on the new clip's timeline */
  at: number[];
}

/** What is known about the clip to generate. */
export interface ConditionInputs {
  known: Known[];
  /** depth beyond that of the known frames; it replaces theirs where both are given */
  geometry: Geometry[];
  /** frames of the input that come before and after the new clip in the result */
  before: Frames | null;
  after: Frames | null;
}

/** Condition inputs with these parts, and nothing else known. */
export const given = (parts: Partial<ConditionInputs>): ConditionInputs => ({
  known: [],
  geometry: [],
  before: null,
  after: null,
  ...parts,
});

/** No condition inputs: nothing is known except the prompt. */
export const NOTHING: ConditionInputs = given({});

/** Size and length of the clip to generate. */
export interface Target extends Size {
  numFrames: number;
}
