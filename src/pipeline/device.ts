/** The device that networks are put on. */
import { InputError } from '../errors.js';
import { type Availability, availability, resolveDevice } from '../tensor/index.js';

/**
 * The device to compute on, by the name that tensors use. If `auto` chose the CPU, a note says why,
 * provided `auto` was asked for by name or a GPU was to be expected.
 *
 * @param asked   cpu, cuda, cuda:N, mps or auto; left out: auto
 * @throws InputError if there is no such device, or it cannot compute in the dtype
 */
export function chooseDevice(
  asked: string | undefined,
  dtype: string,
  onNote: (sentence: string) => void,
  available: Availability = availability(),
): string {
  const { device, reason, surprising } = resolveDevice(asked ?? 'auto', available);
  if (reason && (asked === 'auto' || surprising)) onNote(`computing on the CPU: ${reason}`);
  if (device === 'cpu' && dtype === 'float16') {
    throw new InputError(
      "`dtype: 'float16'`: works on GPUs only, as LibTorch has no float16 arithmetic on the CPU; use bfloat16 or auto",
      { field: 'dtype' },
    );
  }
  return device;
}
