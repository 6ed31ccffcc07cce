/** `--device` of the commands that use a pipeline. */
import { InputError } from '../../errors.js';

export const deviceOption = {
  kind: 'text',
  placeholder: 'DEVICE',
  describe:
    'where networks compute: cpu, cuda, cuda:N, mps; auto takes a GPU that LibTorch can use, else says why not (default: auto, which says it only where you would wonder)',
} as const;

/**
 * The device that is meant, as tensors name it. Why `auto` took the CPU goes to stderr where it was
 * asked for by name, or where a GPU was to be expected.
 * @throws InputError if there is no such device
 */
export async function chosenDevice(asked: string | undefined, dtype = 'auto'): Promise<string> {
  const { availability, resolveDevice } = await import('../../tensor/index.js');
  const { device, reason, surprising } = resolveDevice(asked ?? 'auto', availability());
  if (reason && (asked === 'auto' || surprising)) {
    process.stderr.write(`computing on the CPU: ${reason}\n`);
  }
  if (device === 'cpu' && dtype === 'float16') {
    throw new InputError(
      '--dtype float16: is for GPUs, LibTorch has no such arithmetic on the CPU; take bfloat16 or auto',
    );
  }
  return device;
}

export const dtypeOption = {
  kind: 'text',
  choices: ['auto', 'float32', 'bfloat16', 'float16'],
  default: 'auto',
  describe: 'what is computed in; float16 on a GPU alone',
} as const;
