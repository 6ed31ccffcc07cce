/** A request read back into what a person put together. */
import type { Job, MediaSource, Task } from '../api/types.js';
import { fieldsOf } from './fields.js';

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

export const maskOf = ({ mask }: Request): MediaSource | null => sourceOf(mask);

export function loraOf({ lora }: Request): { id: string; scale: number } | null {
  return [lora ?? []].flat()[0] ?? null;
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

export interface KnownRequest {
  media: MediaSource;
  at: number | readonly [number, number];
  mask: MediaSource | null;
  gray: boolean;
  keep: number;
}

/** The parts of a mixture that a request names. */
export function knownOf({ known }: Request): KnownRequest[] {
  return (known ?? []).flatMap(({ media: given, at, mask, gray = false, keep = 1 }) => {
    const media = sourceOf(given);
    return media ? [{ media, at, mask: sourceOf(mask), gray, keep }] : [];
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
