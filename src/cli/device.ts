/** `--device` of the commands that use a pipeline. */
import { InputError } from '../errors.js';

export const deviceOption = {
  kind: 'text',
  placeholder: 'DEVICE',
  default: 'auto',
  describe:
    'where networks compute: cpu, cuda, cuda:N, mps; auto takes a GPU that LibTorch can use',
} as const;

/**
 * The device that is meant, as tensors name it. Where a GPU was to be expected and is not used, the
 * reason goes to stderr.
 * @throws InputError if there is no such device
 */
export async function chosenDevice(asked: string, dtype = 'auto'): Promise<string> {
  const { availability, resolveDevice } = await import('../tensor/index.js');
  const { device, fallback } = resolveDevice(asked, availability());
  if (fallback) process.stderr.write(`${fallback}\n`);
  if (device === 'cpu' && dtype === 'float16') {
    throw new InputError(
      '--dtype float16: is for GPUs, LibTorch has no such arithmetic on the CPU; take bfloat16 or auto',
    );
  }
  return device;
}
