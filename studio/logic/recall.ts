/** A request read back into what a person put together. */
import type { Job, MediaSource, Task } from '../api/types.js';
import type { GivenMask } from './draft.js';
import { fieldsOf, hasForm } from './fields.js';

type Request = Job['request'];

/** A picture or clip that the server has; null for anything else, such as a mask that is a box. */
export function sourceOf(value: Request['mask']): MediaSource | null {
  if (value === undefined) return null;
  if (typeof value === 'string') return { file_id: value };
  return 'file_id' in value || 'video_id' in value ? value : null;
}

/** The inputs of a request, in order. */
export function inputsOf({
  inputs,
  input_reference: reference,
  depth_from: depthFrom,
}: Request): MediaSource[] {
  return [depthFrom, reference, ...(inputs ?? [])]
    .map(sourceOf)
    .filter((source) => source !== null);
}

export const maskOf = ({ mask, invert_mask: invert = false }: Request): GivenMask | null =>
  mask === undefined ? null : { mask, invert };

/** The LoRAs of a request; the page has a choice for the first. */
export const lorasOf = ({ lora }: Request): { id: string; scale: number }[] => [lora ?? []].flat();

/** What a request says in fields that the form does not have, since they are lists or objects. */
export function othersOf(task: Task, request: Request): Record<string, unknown> {
  const entries = Object.entries(request).filter(
    ([name, value]) => value !== undefined && !hasForm(task, name),
  );
  return Object.fromEntries(entries);
}

/** The texts of the form's fields. */
export function fieldTexts(task: Task, request: Request): Record<string, string> {
  const { main, more } = fieldsOf(task);
  const texts: Record<string, string> = {};
  for (const { name } of [...main, ...more]) {
    const value = request[name as keyof Request];
    if (['string', 'number', 'boolean'].includes(typeof value)) texts[name] = String(value);
  }
  return texts;
}

type Known = NonNullable<Request['known']>[number];

export interface KnownRequest {
  media: MediaSource;
  at: number | readonly [number, number];
  mask: GivenMask | null;
  depth: Known['depth'] | null;
  gray: boolean;
  keep: number;
}

/** The parts of a mixture that a request names. */
export function knownOf({ known }: Request): KnownRequest[] {
  return (known ?? []).flatMap(({ media: given, at, gray = false, keep = 1, ...more }) => {
    const media = sourceOf(given);
    const { mask, invert = false, depth = null } = more;
    const painted = mask === undefined ? null : { mask, invert };
    return media ? [{ media, at, mask: painted, depth, gray, keep }] : [];
  });
}

/** Depth of some frames, or of all of them if no place is named. */
export function depthOf({
  depth,
}: Request): { media: MediaSource; at: KnownRequest['at'] | null }[] {
  return [depth ?? []].flat().flatMap((one) => {
    const { media: given, at } =
      typeof one === 'object' && 'media' in one ? one : { media: one, at: null };
    const media = sourceOf(given);
    return media ? [{ media, at }] : [];
  });
}
