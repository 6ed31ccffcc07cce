/** The device that networks are put on. */
import { InputError } from '../errors.js';
import { availability, resolveDevice } from '../tensor/index.js';

/**
 * The device that is meant, as tensors name it. Why `auto` took the CPU is noted where it was asked
 * for by name, or where a GPU was to be expected.
 *
 * @param asked   cpu, cuda, cuda:N, mps or auto; left out: auto
 * @throws InputError if there is no such device, or it does not compute in the dtype
 */
export function chooseDevice(
  asked: string | undefined,
  dtype: string,
  onNote: (sentence: string) => void,
): string {
  const { device, reason, surprising } = resolveDevice(asked ?? 'auto', availability());
  if (reason && (asked === 'auto' || surprising)) onNote(`computing on the CPU: ${reason}`);
  if (device === 'cpu' && dtype === 'float16') {
    throw new InputError(
      "`dtype: 'float16'`: is for GPUs, LibTorch has no such arithmetic on the CPU; take bfloat16 or auto",
      { field: 'dtype' },
    );
  }
  return device;
}
