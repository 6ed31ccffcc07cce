import { DEVICE_NAME, DEVICE_NAMES } from '../../device-names.js';

/** The options `--device` and `--dtype`, for commands that use a pipeline. */
export const deviceOption = {
  kind: 'text',
  form: { pattern: DEVICE_NAME, words: DEVICE_NAMES },
  placeholder: 'DEVICE',
  describe:
    'where networks compute: cpu, cuda, cuda:N or mps; auto uses a GPU if LibTorch can use one, and otherwise explains why not (default: auto, explaining only if a GPU was to be expected)',
} as const;

/** Calls `chooseDevice`; its notes go to stderr. */
export async function chosenDevice(asked: string | undefined, dtype = 'auto'): Promise<string> {
  const { chooseDevice } = await import('../../pipeline/device.js');
  return chooseDevice(asked, dtype, (note) => process.stderr.write(`${note}\n`));
}

export const dtypeOption = {
  kind: 'text',
  choices: ['auto', 'float32', 'bfloat16', 'float16'],
  default: 'auto',
  describe: 'dtype that networks compute in; float16 works on a GPU only',
} as const;
