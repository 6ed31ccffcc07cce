/** What `mfm info` says of GPUs: the cards, what LibTorch and the driver support, what is missing. */
import { SETUP } from '../../../files/addon.js';
import { formatBytes } from '../../../format-bytes.js';
import type { Availability, ResolvedDevice } from '../../../tensor/index.js';

export interface GpuState {
  available: Availability;
  /** what `auto` comes to */
  resolved: ResolvedDevice;
  /** was the addon built with NCCL? */
  nccl: boolean;
  /** bytes that are free on a device; null where the driver does not say */
  freeBytes(device: string): number | null;
}

/** Facts by name: `device`, and where CUDA is to be expected `cuda` and what is `missing`. */
export function gpuFacts(state: GpuState): Record<string, string> {
  const { available, resolved } = state;
  const { cuda } = available;
  const facts: Record<string, string> = { device: deviceFact(state) };
  if (!cuda.built && !cuda.driver) return facts;
  const libtorch = cuda.built
    ? `LibTorch's CUDA ${cuda.version ?? 'of unknown version'}`
    : 'no CUDA in LibTorch';
  const driver =
    cuda.driver === null ? 'no driver' : `driver for CUDA ${cuda.driverVersion ?? '?'}`;
  facts.cuda = [libtorch, driver, state.nccl ? 'NCCL' : 'no NCCL'].join(', ');
  const missing = missingFor(state);
  if (missing.length > 0) facts.missing = missing.join('; ');
  else if (resolved.reason) facts.missing = resolved.reason;
  return facts;
}

/** The GPUs; without any, the device that `--device auto` uses, and why. */
function deviceFact({ available: { cuda }, resolved, freeBytes }: GpuState): string {
  if (cuda.devices.length === 0) {
    const { device, reason } = resolved;
    return reason ? `${device} (${reason})` : device;
  }
  return cuda.devices
    .map(({ name, capability: [major, minor], memoryBytes }, i) => {
      const free = freeBytes(`cuda:${i}`);
      const memory = `${formatBytes(memoryBytes)}${free === null ? '' : `, ${formatBytes(free)} free`}`;
      const dtype = major >= 8 || major === 0 ? '' : ', no bfloat16';
      return `cuda:${i} ${name}, compute capability ${major}.${minor}, ${memory}${dtype}`;
    })
    .join('; ');
}

/** What keeps this machine from using what it has, each with its remedy. */
function missingFor({ available: { cuda }, nccl }: GpuState): string[] {
  const missing: string[] = [];
  const cards = cuda.driver ?? 0;
  if (!cuda.built) {
    missing.push(`a LibTorch with CUDA: pip install torch in a virtual environment, then ${SETUP}`);
  } else if (cuda.driver === null) {
    missing.push('the NVIDIA driver: install it, nvidia-smi shows whether it works');
  } else if (isOlder(cuda.driverVersion, cuda.version)) {
    missing.push(
      `a driver for CUDA ${cuda.version}: update it, or install a LibTorch for CUDA ${cuda.driverVersion}`,
    );
  }
  if (cuda.built && cards > 1 && !nccl) {
    missing.push(
      `NCCL, for several GPUs: ${SETUP} builds with it where the headers of CUDA and NCCL are, as pip install torch brings them`,
    );
  }
  return missing;
}

/** Is a driver's CUDA of an earlier major version than LibTorch's? Within one, any works. */
function isOlder(driver: string | undefined, libtorch: string | undefined): boolean {
  if (!driver || !libtorch) return false;
  return Number.parseInt(driver, 10) < Number.parseInt(libtorch, 10);
}
