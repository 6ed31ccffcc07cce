/**
 * The library's messages name fields in backticks, as they are written in TypeScript, and commands as
 * `mfm pull`. The command line shows the corresponding options, and commands as they can be typed here.
 */
import { PROGRAM } from '../../files/package-root.js';

/** The option of each field that messages may name. */
const OPTIONS: Record<string, string> = {
  apiKeys: '--api-key or --api-key-file',
  prompt: '-p',
  inputs: '-i',
  loras: '--lora',
  numFrames: '--frames',
  fps: '--fps',
  data: '--data',
  solver: '--solver',
  checkMemory: '--check-memory',
  numInferenceSteps: '--steps',
  guidanceScale: '--guidance',
  cacheThreshold: '--cache',
  device: '--device',
  dtype: '--dtype',
  colour: '--colour',
  depth: '--depth',
  depthFrom: '--depth-from',
  depthIs: '--depth-is',
  depthModel: '--depth-model',
  exclude: '--exclude',
  expand: '--expand',
  fit: '--fit',
  folder: '--folder',
  known: '--known',
  include: '--include',
  init: '--init',
  invert: '--invert',
  invertMask: '--invert-mask',
  keepKnown: '--keep-known',
  mask: '--mask',
  noiseAugStrength: '--noise-aug-strength',
  offline: '--offline',
  compat: '--compat',
  nproc: '--nproc',
  reference: '--reference',
  port: '--port',
  resume: '--resume',
  run: '--run',
  size: '--size',
  strict: '--strict',
  tile: '--tile',
  upscale: '--upscale',
  window: '--window',
  pipeline: '--pipeline',
};

/** Fields with a value that have an option of their own. */
const WHOLE: Record<string, string> = {
  'mask: { box }': '--box x,y,w,h',
  'mask: { colour }': '--mask-colour',
  'mask: { alpha: true }': '--mask-alpha',
  'known: [{ media, at }]': '--known FILE@PLACE',
  'known: [{ media, at, mask }]': '--known FILE@PLACE,mask=FILE',
  'depth: [{ media, at }]': '--depth FILE@PLACE',
  'tile: null': '--no-tiles',
  'keepKnown: false': '--no-keep-known',
  'checkMemory: false': '--no-check-memory',
  'size: { width, height }': '--size WxH',
};

/**
 * A sentence with every field in backticks replaced by its option: `fit: 'pad'` becomes --fit pad, and
 * `inputs: [FILE, FILE]` becomes -i FILE -i FILE; and with commands that begin as `PROGRAM` does.
 * Anything else in backticks is left unchanged.
 */
export function withOptions(sentence: string): string {
  return sentence
    .replace(/`mfm (?=[a-z-])/g, `\`${PROGRAM} `)
    .replace(
      /`(\w+)(?:: ([^`]+))?`/g,
      (whole: string, field: string, value: string | undefined) => {
        const option = OPTIONS[field];
        if (option === undefined || !Object.hasOwn(OPTIONS, field)) return whole;
        const own = WHOLE[whole.slice(1, -1)];
        if (own) return own;
        if (value === undefined || value === 'true') return option;
        const list = /^\[(.*)\]$/.exec(value);
        const values = list ? list[1]!.split(', ') : [value];
        return values.map((one) => `${option} ${optionValue(one)}`).join(' ');
      },
    );
}

/** A value as typed in a shell: `'pad'` becomes pad, `'a red cube'` "a red cube", a size WxH. */
function optionValue(value: string): string {
  const size = /^\{ width: (\d+), height: (\d+) \}$/.exec(value);
  if (size) return `${size[1]}x${size[2]}`;
  const text = /^'(.*)'$/.exec(value)?.[1];
  if (text === undefined) return value;
  return text.includes(' ') ? JSON.stringify(text) : text;
}
