/** The ways to say where something is to be made. */
import { InputError } from '../../../errors.js';
import type { MaskSource } from '../../../media/index.js';

export const maskOptions = {
  mask: {
    kind: 'text',
    placeholder: 'FILE',
    describe: 'image or clip, white where something is to be made',
  },
  box: {
    kind: 'text',
    placeholder: 'X,Y,W,H',
    describe: 'the same as a box, in pixels or percent of the input: 10%,10%,50%,50%',
  },
  maskColour: {
    kind: 'text',
    placeholder: 'COLOUR',
    aliases: ['maskColor'],
    describe: 'the same where the input has this colour: #00ff00, 0,255,0 or green',
  },
  maskTolerance: {
    kind: 'integer',
    min: 0,
    max: 254,
    describe: 'how far from --mask-colour a channel may be, of 255 (default: 40)',
  },
  maskAlpha: { kind: 'flag', describe: 'the same where the input is transparent' },
  invertMask: { kind: 'flag', describe: 'make what the mask would keep, and keep the rest' },
  expand: {
    kind: 'text',
    placeholder: 'MARGINS',
    describe:
      'outpainting: how far the picture is to grow, 0.25 (of each side) or left=64,top=0.25 or x=10%',
  },
} as const;

interface MaskValues {
  mask?: string;
  box?: string;
  maskColour?: string;
  maskTolerance?: number;
  maskAlpha?: boolean;
}

/** @throws InputError for several of them, or one that cannot be read */
export async function maskSourceOf(options: MaskValues): Promise<MaskSource | undefined> {
  const { mask, box, maskColour, maskTolerance, maskAlpha } = options;
  const { DEFAULT_TOLERANCE, parseBox, parseColour } = await import('../../../media/index.js');
  const named = [
    mask !== undefined && '--mask',
    box !== undefined && '--box',
    maskColour !== undefined && '--mask-colour',
    maskAlpha && '--mask-alpha',
  ].filter((name) => name !== false && name !== undefined);
  if (named.length > 1) {
    throw new InputError(
      `${named[1]}: says where something is to be made, as ${named[0]} does; leave one of them out`,
    );
  }
  if (maskTolerance !== undefined && maskColour === undefined) {
    throw new InputError('--mask-tolerance: belongs to --mask-colour; add that or leave it out');
  }
  if (mask !== undefined) return { file: mask };
  if (box !== undefined) return { box: parseBox(box, '--box') };
  if (maskColour !== undefined) {
    const colour = parseColour(maskColour, '--mask-colour');
    return { colour, tolerance: maskTolerance ?? DEFAULT_TOLERANCE };
  }
  return maskAlpha ? { alpha: true } : undefined;
}
