/** A request read back into what a person put together. */
import type { Job, MediaSource, Task } from '../api/types.js';
import { fieldsOf } from './fields.js';

type Request = Job['request'];

/** A picture or clip that the server has; null for anything else. */
export function sourceOf(value: unknown): MediaSource | null {
  if (typeof value === 'string') return { file_id: value };
  if (typeof value !== 'object' || value === null) return null;
  return 'file_id' in value || 'video_id' in value ? (value as MediaSource) : null;
}

/** The inputs of a request, in order. */
export function inputsOf({
  inputs,
  input_reference: reference,
  depth_from: depthFrom,
}: Request): MediaSource[] {
  const rest = Array.isArray(inputs) ? inputs : [];
  return [depthFrom, reference, ...rest].map(sourceOf).filter((source) => source !== null);
}

export const maskOf = ({ mask }: Request): MediaSource | null => sourceOf(mask);

export function loraOf({ lora }: Request): { id: string; scale: number } | null {
  const first = Array.isArray(lora) ? lora[0] : lora;
  if (!first || typeof first !== 'object') return null;
  const { id, scale = 1 } = first as { id: string; scale?: number };
  return { id, scale };
}

/** The texts of the form's fields. */
export function fieldTexts(task: Task, request: Request): Record<string, string> {
  const { main, more } = fieldsOf(task);
  const texts: Record<string, string> = {};
  for (const { name } of [...main, ...more]) {
    const value = request[name];
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
  if (!Array.isArray(known)) return [];
  return known.flatMap((one: Record<string, unknown>): KnownRequest[] => {
    const media = sourceOf(one.media);
    if (!media) return [];
    const keep = typeof one.keep === 'number' ? one.keep : 1;
    return [
      {
        media,
        at: one.at as KnownRequest['at'],
        mask: sourceOf(one.mask),
        gray: one.gray === true,
        keep,
      },
    ];
  });
}

/** Depth of some frames, or of all of them if no place is named. */
export function depthOf({
  depth,
}: Request): { media: MediaSource; at: KnownRequest['at'] | null }[] {
  const all = depth === null || depth === undefined ? [] : [depth].flat();
  return all.flatMap((one: unknown) => {
    const placed = one as { media?: unknown; at?: KnownRequest['at'] };
    const media = sourceOf(placed.media ?? one);
    return media ? [{ media, at: placed.at ?? null }] : [];
  });
}
