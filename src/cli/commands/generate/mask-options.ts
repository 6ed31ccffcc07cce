/** Options that choose the part to generate. */
import { InputError } from '../../../errors.js';
import { MOST_TOLERANCE } from '../../../limits.js';
import type { MaskSource } from '../../../media/index.js';

export const maskOptions = {
  mask: {
    kind: 'text',
    placeholder: 'FILE',
    describe: 'mask: image or clip that is white in the part to generate',
  },
  box: {
    kind: 'text',
    placeholder: 'X,Y,W,H',
    describe:
      'generate the part within this box, in pixels or percent of the input: 10%,10%,50%,50%',
  },
  maskColour: {
    kind: 'text',
    placeholder: 'COLOUR',
    aliases: ['maskColor'],
    describe: 'generate the part where the input has this colour: #00ff00, 0,255,0 or green',
  },
  maskTolerance: {
    kind: 'integer',
    min: 0,
    max: MOST_TOLERANCE,
    describe: `how far each channel may differ from --mask-colour, up to ${MOST_TOLERANCE} (default: 40)`,
  },
  maskAlpha: { kind: 'flag', describe: 'generate the part where the input is transparent' },
  invertMask: { kind: 'flag', describe: 'swap the parts that the mask generates and keeps' },
  expand: {
    kind: 'text',
    placeholder: 'MARGINS',
    describe:
      'outpainting: how far to extend the picture, e.g. 0.25 (of each side), left=64,top=0.25 or x=10%',
  },
} as const;

interface MaskValues {
  mask?: string;
  box?: string;
  maskColour?: string;
  maskTolerance?: number;
  maskAlpha?: boolean;
}

/** The mask's source. @throws InputError if several are given, or a value cannot be parsed */
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
      `${named[1]}: chooses the part to generate, as ${named[0]} does; leave one of them out`,
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
