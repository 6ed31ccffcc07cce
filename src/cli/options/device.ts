/** `--device` of the commands that use a pipeline. */
export const deviceOption = {
  kind: 'text',
  placeholder: 'DEVICE',
  describe:
    'where networks compute: cpu, cuda, cuda:N, mps; auto takes a GPU that LibTorch can use, else says why not (default: auto, which says it only where you would wonder)',
} as const;

/** See `chooseDevice`; its notes go to stderr. */
export async function chosenDevice(asked: string | undefined, dtype = 'auto'): Promise<string> {
  const { chooseDevice } = await import('../../pipeline/device.js');
  return chooseDevice(asked, dtype, (note) => process.stderr.write(`${note}\n`));
}

export const dtypeOption = {
  kind: 'text',
  choices: ['auto', 'float32', 'bfloat16', 'float16'],
  default: 'auto',
  describe: 'what is computed in; float16 on a GPU alone',
} as const;
