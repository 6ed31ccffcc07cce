/** The option `--lora FILE[:SCALE]`, for commands that use a pipeline. */
import { existsSync } from 'node:fs';
import { InputError } from '../../errors.js';
import type { LoraUse } from '../../pipeline/index.js';

export const loraOption = {
  kind: 'text',
  placeholder: 'FILE[:SCALE]',
  repeat: true,
  describe:
    'LoRA file or folder, in diffusers or PEFT layout, and its strength (default: 1); it is added to the weights in memory, files are not changed',
} as const;

/** Largest strength, far beyond any useful one; 1 is the strength of training. */
const MOST_SCALE = 1000;

/** Parses the values of `--lora`. @throws InputError for a scale that is not a number, or too large */
export const lorasOf = (texts: readonly string[]): LoraUse[] => texts.map(loraOf);

function loraOf(text: string): LoraUse {
  const colon = text.lastIndexOf(':');
  if (colon <= 0 || existsSync(text)) return { path: text, scale: 1 };
  const [path, after] = [text.slice(0, colon), text.slice(colon + 1)];
  const scale = after.trim() === '' ? Number.NaN : Number(after);
  if (Math.abs(scale) <= MOST_SCALE) return { path, scale };
  if (!Number.isNaN(scale)) {
    throw new InputError(
      `--lora ${text}: the scale must be from -${MOST_SCALE} to ${MOST_SCALE}, got ${after}`,
    );
  }
  throw new InputError(
    `--lora ${text}: must be FILE or FILE:SCALE with a number, e.g. style.safetensors:0.8, got "${after}"`,
  );
}
