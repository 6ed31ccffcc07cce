/** `--lora FILE[:SCALE]` of the commands that use a pipeline. */
import { existsSync } from 'node:fs';
import { InputError } from '../../errors.js';
import type { LoraUse } from '../../pipeline/index.js';

export const loraOption = {
  kind: 'text',
  placeholder: 'FILE[:SCALE]',
  repeat: true,
  describe:
    'a LoRA, file or folder, in the layout of diffusers or PEFT, and how much of it (default: 1); added to the weights in memory, files stay as they are',
} as const;

/** Far above any that leaves a picture; 1 is what the LoRA was trained with. */
const MOST_SCALE = 1000;

/** What is asked for. @throws InputError for a scale that is no number, or absurd */
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
    `--lora ${text}: must be FILE or FILE:SCALE with a number, as style.safetensors:0.8, got "${after}"`,
  );
}
