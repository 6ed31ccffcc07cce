/** What a person has put together for a task, and the request that it becomes. */
import type { Job, MediaSource, Task } from '../api/types.js';
import { type Field, fieldsOf, readField } from './fields.js';
import { expandText, hasMargins, type Margins, NO_MARGINS } from './margins.js';
import { isBlank, type MaskDocument } from './mask.js';
import { type Placed, refit } from './timeline.js';

/** A picture or clip on the server, and how to show it. */
export interface Media {
  source: MediaSource;
  kind: 'image' | 'video';
  name: string;
  /** address of the file */
  url: string;
  /** address of a small still picture */
  thumbUrl: string;
  /** the frame of the clip at `url` that this picture is; null if it is the file itself */
  still: number | null;
  /** a moving picture that the browser plays by itself, and that cannot be stopped */
  animation: boolean;
  /** has the clip sound? */
  sound: boolean;
  /** address of one frame as a picture; null if the server does not cut it out */
  frameUrl: ((frame: number) => string) | null;
  width: number;
  height: number;
  numFrames: number;
  fps: number;
}

type Request = Job['request'];

/** A mask as an earlier request names it: white is generated, or kept if it is inverted. */
export interface GivenMask {
  mask: NonNullable<Request['mask']>;
  invert: boolean;
}

/** What came from an earlier request without an editor here; it is sent again as it is. */
export interface Given {
  /** a mask that cannot be painted on, such as a box; it counts until another one is painted */
  mask: GivenMask | null;
  depth: Request['depth'] | null;
}

/** A part of a mixture. */
export interface Part extends Placed {
  media: Media;
  gray: boolean;
  /** share that is kept, 0 to 1 */
  keep: number;
  mask: MaskDocument | null;
  given: Given | null;
}

/** Depth of some frames of a mixture. */
export interface DepthPart extends Placed {
  media: Media;
}

interface Lora {
  id: string;
  scale: number;
}

export interface Draft {
  task: string;
  prompt: string;
  /** the text of each field of the form that was touched */
  fields: Readonly<Record<string, string>>;
  /** in the order of the task's inputs, then its optional ones */
  inputs: readonly (Media | null)[];
  /** of the first input */
  mask: MaskDocument | null;
  margins: Margins;
  parts: readonly Part[];
  depthParts: readonly DepthPart[];
  /** colourisation: the picture whose palette the result takes */
  reference: Media | null;
  /** depth to video: whether the first input is a depth file, or a clip whose depth is estimated */
  estimateDepth: boolean;
  lora: Lora | null;
  /** LoRAs of an earlier request besides that one */
  moreLoras: readonly Lora[];
  /** of an earlier request, as long as the first input is the one that it came with */
  given: (Given & { input: Media }) | null;
  /** fields of an earlier request that the form does not have */
  others: Readonly<Record<string, unknown>>;
  model: string | null;
  /** how many results, from seeds that follow each other */
  count: number;
}

export const emptyDraft = (task: Task): Draft => ({
  task: task.id,
  prompt: '',
  fields: {},
  inputs: [...task.inputs, ...task.optional_inputs].map(() => null),
  mask: null,
  margins:
    task.mask === 'margins' ? { left: 0.25, right: 0.25, top: 0.25, bottom: 0.25 } : NO_MARGINS,
  parts: [],
  depthParts: [],
  reference: null,
  estimateDepth: true,
  lora: null,
  moreLoras: [],
  given: null,
  others: {},
  model: null,
  count: 1,
});

export interface Timeline {
  numFrames: number;
  parts: Part[];
  depthParts: DepthPart[];
}

/** The time line of a mixture; parts beyond the end of a clip that became shorter are moved in. */
export function timelineOf(draft: Draft, task: Task): Timeline {
  const asked = Number(draft.fields.num_frames || task.defaults.num_frames);
  const numFrames = Number.isInteger(asked) && asked > 0 ? asked : 1;
  return {
    numFrames,
    parts: refit(draft.parts, numFrames, numFrames),
    depthParts: refit(draft.depthParts, numFrames, numFrames),
  };
}

/** Masks that are on the server already, by what was painted. */
export type UploadedMasks = ReadonlyMap<MaskDocument, string>;

/** What is still missing before there is something to plan, in a sentence; null if nothing is. */
export function missing(draft: Draft, task: Task): string | null {
  const absent = task.inputs.findIndex((_, i) => !draft.inputs[i]);
  if (absent !== -1) {
    const kind = task.inputs[absent] === 'image' ? 'a picture' : 'a clip';
    const which = task.inputs.length > 1 ? ['the first one', 'the second one'][absent] : null;
    return which ? `Add ${kind}: ${which}.` : `Add ${kind} to begin.`;
  }
  const kept = keptMask(draft, task);
  if (task.mask === 'hole' && !kept && (!draft.mask || isBlank(draft.mask))) {
    return 'Paint over the part to fill.';
  }
  if (task.mask === 'margins' && !kept && !hasMargins(draft.margins))
    return 'Drag a side outwards to extend it.';
  if (task.placed && draft.parts.length === 0 && draft.depthParts.length === 0) {
    return 'Put a picture or clip on the time line.';
  }
  if (task.prompt === 'required' && draft.prompt.trim() === '')
    return 'Say what the result should show.';
  const problem = problems(draft, task)[0];
  return problem ? problem.problem : null;
}

/** Fields whose text cannot be sent. */
export function problems(draft: Draft, task: Task): { field: Field; problem: string }[] {
  return allFields(task).flatMap((field) => {
    const read = readField(field, draft.fields[field.name] ?? '');
    return 'problem' in read ? [{ field, problem: read.problem }] : [];
  });
}

const allFields = (task: Task): Field[] => {
  const { main, more } = fieldsOf(task);
  return [...main, ...more];
};

const isPainted = (mask: MaskDocument | null): boolean => mask !== null && mask.done.length > 0;

/** What an earlier request gave with its first input, if that is still there. */
export const givenOf = ({ given, inputs }: Draft): Given | null =>
  given && given.input === inputs[0] ? given : null;

/** The mask of an earlier request that is sent again, as long as no other one is made. */
export function keptMask(draft: Draft, task: Task): GivenMask | null {
  const isReplaced = task.mask === 'margins' ? hasMargins(draft.margins) : isPainted(draft.mask);
  return isReplaced ? null : (givenOf(draft)?.mask ?? null);
}

/** The same for a part of a mixture. */
export const keptMaskOfPart = ({ mask, given }: Part): GivenMask | null =>
  isPainted(mask) ? null : (given?.mask ?? null);

/** The masks that the request of a draft refers to. */
export function masksOf(draft: Draft, task: Task): MaskDocument[] {
  const own = task.mask === 'hole' && draft.mask && !keptMask(draft, task) ? [draft.mask] : [];
  if (!task.placed) return own;
  const placed = timelineOf(draft, task).parts.map(maskOfPart);
  return [...own, ...placed.filter((mask) => mask !== null)];
}

const cutMasks = new WeakMap<MaskDocument, Map<number, MaskDocument>>();

/** What is painted on a part, for as many frames as the part covers; always the same document for the same. */
function maskOfPart({ mask, media, length }: Part): MaskDocument | null {
  if (!mask || isBlank(mask)) return null;
  if (media.numFrames === 1 || length >= mask.numFrames) return mask;
  const known = cutMasks.get(mask) ?? new Map<number, MaskDocument>();
  cutMasks.set(mask, known);
  const cut = known.get(length) ?? { ...mask, numFrames: length };
  known.set(length, cut);
  return cut;
}

/** The body of a request for a result, or for its plan. */
export function requestOf(draft: Draft, task: Task, masks: UploadedMasks): Record<string, unknown> {
  const body: Record<string, unknown> = { task: task.id, ...draft.others };
  if (draft.model) body.model = draft.model;
  if (draft.prompt.trim()) body.prompt = draft.prompt.trim();
  for (const field of allFields(task)) {
    const read = readField(field, draft.fields[field.name] ?? '');
    if ('value' in read && read.value !== undefined) body[field.name] = read.value;
  }
  const media = draft.inputs.filter((input) => input !== null).map(({ source }) => source);
  if (task.inputs[0] === 'depth' && draft.inputs[0]) {
    body[draft.estimateDepth ? 'depth_from' : 'inputs'] = draft.estimateDepth ? media[0] : media;
    if (draft.estimateDepth && media.length > 1) body.inputs = media.slice(1);
  } else if (media.length > 0) body.inputs = media;
  const kept = keptMask(draft, task);
  if (kept) {
    body.mask = kept.mask;
    if (kept.invert) body.invert_mask = true;
  } else if (task.mask === 'hole' && draft.mask) body.mask = { file_id: masks.get(draft.mask) };
  else if (task.mask === 'margins') body.expand = expandText(draft.margins);
  const depth = givenOf(draft)?.depth;
  if (depth) body.depth = depth;
  if (draft.reference) body.reference = draft.reference.source;
  const loras = [draft.lora ?? [], draft.moreLoras].flat();
  if (loras.length > 0) body.lora = loras.length === 1 ? loras[0] : loras;
  if (task.placed) {
    const { parts, depthParts } = timelineOf(draft, task);
    body.known = parts.map((part) => knownOf(part, masks));
    if (depthParts.length > 0) {
      body.depth = depthParts.map((part) => ({
        media: part.media.source,
        at: placeOf(part),
      }));
    }
  }
  return body;
}

function knownOf(part: Part, masks: UploadedMasks): Record<string, unknown> {
  const known: Record<string, unknown> = { media: part.media.source, at: placeOf(part) };
  const drawn = maskOfPart(part);
  const mask = drawn && masks.get(drawn);
  const kept = keptMaskOfPart(part);
  if (kept) {
    known.mask = kept.mask;
    if (kept.invert) known.invert = true;
  } else if (mask) known.mask = { file_id: mask };
  if (part.given?.depth) known.depth = part.given.depth;
  if (part.gray) known.gray = true;
  if (part.keep < 1) known.keep = part.keep;
  return known;
}

/** A clip lies from a single place on as far as it goes, so its last frame is named, too. */
const placeOf = ({ media, at, length }: DepthPart): number | [number, number] =>
  length === 1 && media.kind === 'image' ? at : [at, at + length - 1];

/** The requests of several results: a seed that was entered counts upwards, otherwise each is random. */
export function requestsOf(
  body: Record<string, unknown>,
  count: number,
): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => {
    if (body.seed === undefined || i === 0) return body;
    return { ...body, seed: String(BigInt(String(body.seed)) + BigInt(i)) };
  });
}
