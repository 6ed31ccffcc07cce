/** The samples of sources before they are made. */
import type { SampleFacts } from '../../../data/sources/facts.js';
import type { DataFile, DataItem } from '../../../data/sources/items.js';
import type { Part } from './part.js';

/** What a sample is made from, in plain values. */
export type Origin = SceneOrigin | FileOrigin | SampleOrigin;

/** A picture or clip in a file. */
export interface FileOrigin {
  kind: 'file';
  item: DataItem;
  /** of the whole picture */
  width: number;
  height: number;
  motionScore: number | null;
  /** the part of the picture that is used; default: all of it */
  part?: Part;
}

/** A sample of the program's own data set, which only the main thread has. */
export interface SampleOrigin {
  kind: 'sample';
  dataset: string;
  index: number;
  width: number;
  height: number;
  motionScore: number | null;
  caption: string;
  /** the instruction of an edit; null for other samples */
  instruction: string | null;
  /** does it have depth of the clip before the edit? */
  hasSourceDepth: boolean;
}

/** What a scene is drawn from, in plain values. */
export interface SceneOrigin {
  kind: 'scene';
  seed: number;
  split: 'train' | 'heldout';
  maxObjects: number;
  image: boolean;
  /** only of scenes that are not plain */
  solids?: [least: number, most: number];
  moreShapes?: boolean;
  /** the photos of its look, see `PHOTOS_OF_SCENE` */
  photos?: DataFile[];
}

export interface SourceItem {
  /** `clips.jsonl:3`, `miniworld clip 17`, `mine 3` */
  where: string;
  kind: 'image' | 'clip';
  /** hash of its content, whatever its name; part of the keys of what is derived from it */
  content: string;
  /** of a part of a file: the content of the whole */
  partOf?: string;
  origin: Origin;
  /** null for a scene, which can have any size and length */
  facts: SampleFacts | null;
  /** sides of a scene as a share of the stage's; default: 1 */
  scale?: number;
  /** a scene that is used a few times and never again: nothing of it is stored on disk */
  passes?: true;
}
