/** Devices for tensors and operators: their names, which are available, which to use. */
import { freemem } from 'node:os';
import { DEVICE_NAMES } from '../device-names.js';
import { InputError } from '../errors.js';
import { SETUP } from '../files/addon.js';
import { native } from './native.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

/** A graphics card that LibTorch can use. */
export interface CudaDevice {
  name: string;
  /** compute capability, e.g. [8, 0]; [0, 0] where the driver does not say */
  capability: [major: number, minor: number];
  /** its total memory; 0 where the driver does not say */
  memoryBytes: number;
  /** its place in the machine; '' where the driver does not say */
  bus?: string;
}

/** The devices that LibTorch was built for, and those that this machine has. */
export interface Availability {
  libtorch: string;
  /** `process.platform` */
  platform: string;
  cuda: {
    built: boolean;
    devices: CudaDevice[];
    /** NVIDIA devices that the driver reports, usable by LibTorch or not; null without a driver */
    driver: number | null;
    /** CUDA's version that LibTorch was built for, and the newest that the driver supports */
    version?: string;
    driverVersion?: string;
  };
  mps: { built: boolean; usable: boolean };
  /** devices of a backend that is not part of LibTorch, and has registered itself as PrivateUse1 */
  outside?: number;
}

export interface ResolvedDevice {
  /** spelt as in `Tensor.device`: `cpu`, `cuda:0`, `mps:0` */
  device: string;
  /** why `auto` took the CPU; null where it did not */
  reason: string | null;
  /** a GPU was to be expected, so the user should be shown the reason */
  surprising: boolean;
}

/** Queries LibTorch and the driver. */
export function availability(): Availability {
  const [built, seen, driver] = native.cudaSupport();
  const [mpsBuilt, mpsUsable] = native.mpsSupport();
  const [ofDriver, ofLibTorch] = native.cudaVersions();
  const devices = Array.from({ length: seen }, (_, i): CudaDevice => {
    const [major, minor, memoryBytes] = native.cudaProperties(i);
    const name = native.cudaName(i) || 'CUDA device';
    return { name, capability: [major, minor], memoryBytes, bus: native.cudaBus(i) };
  });
  return {
    libtorch: native.version(),
    platform: process.platform,
    cuda: {
      built: built === 1,
      devices,
      driver: driver < 0 ? null : driver,
      version: versionOf(ofLibTorch),
      driverVersion: versionOf(ofDriver),
    },
    mps: { built: mpsBuilt === 1, usable: mpsUsable === 1 },
    outside: native.privateCount(),
  };
}

/** 12040 → 12.4 */
const versionOf = (number: number): string | undefined =>
  number > 0 ? `${Math.floor(number / 1000)}.${Math.floor((number % 1000) / 10)}` : undefined;

/**
 * The device that `asked` names. `auto` takes CUDA if LibTorch has a device, else MPS, else the
 * CPU.
 *
 * @throws InputError if there is no such device, with the reason and the remedy
 */
export function resolveDevice(asked: string, available: Availability): ResolvedDevice {
  const found = (device: string): ResolvedDevice => ({ device, reason: null, surprising: false });
  if (asked === 'auto') {
    if (available.cuda.devices.length > 0) return found('cuda:0');
    return available.mps.usable ? found('mps:0') : withoutGpu(available);
  }
  const cuda = /^cuda(?::(\d+))?$/.exec(asked);
  if (cuda) {
    const index = Number(cuda[1] ?? 0);
    expectCuda(asked, index, available);
    return found(`cuda:${index}`);
  }
  if (asked === 'mps') {
    expectMps(available);
    return found('mps:0');
  }
  const outside = /^privateuseone(?::(\d+))?$/.exec(asked);
  if (outside && Number(outside[1] ?? 0) < (available.outside ?? 0)) {
    return found(`privateuseone:${outside[1] ?? 0}`);
  }
  if (asked !== 'cpu') {
    throw new InputError(`\`device\`: must be ${DEVICE_NAMES}, got "${asked}"`);
  }
  return found('cpu');
}

/** Properties of the CUDA device with a resolved name (`cuda:0`); undefined for other devices. */
export function cudaDevice(device: string, { cuda }: Availability): CudaDevice | undefined {
  const index = indexOf(device);
  return index === null ? undefined : cuda.devices[index];
}

/** Bytes available for networks: a CUDA device's own memory, else this machine's free memory. */
export function memoryFor(device: string): number {
  return memoryOf(device)?.total ?? freemem();
}

/** The memory of a CUDA device, free and in all; null for devices that share the machine's memory. */
export function memoryOf(device: string): { free: number; total: number } | null {
  const index = indexOf(device);
  if (index === null) return null;
  const [free, total] = native.cudaMemory(index);
  return total > 0 ? { free, total } : null;
}

const indexOf = (device: string): number | null => {
  const index = /^cuda:(\d+)$/.exec(device)?.[1];
  return index === undefined ? null : Number(index);
};

/** Has a device, or the machine, run out of memory? LibTorch's errors have no class of their own here. */
export const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && /\bout of memory\b/i.test(error.message);

/**
 * Waits until a tensor is computed. Work is queued on a GPU far ahead of its execution, so without
 * this a progress bar would be full long before the end, and Ctrl-C would take effect late.
 */
export function waitFor(tensor: Tensor): void {
  const { device } = tensor;
  if (device === 'cpu' || device === 'meta') return;
  tidy(() => tensor.flatten().narrow(0, 0, 1).to('cpu'));
}

function withoutGpu(available: Availability): ResolvedDevice {
  const { libtorch, cuda } = available;
  const { built, driver } = cuda;
  const cpu = { device: 'cpu', surprising: false };
  if (built) {
    // without a driver nobody expects CUDA: pip installs a CUDA build on machines without a GPU too
    return { ...cpu, reason: unusable(available), surprising: driver !== null };
  }
  if (!driver) return { ...cpu, reason: `LibTorch ${libtorch} is built for the CPU only` };
  const cards = `${driver} CUDA device${driver === 1 ? '' : 's'}`;
  const reason = `this machine has ${cards}, but LibTorch ${libtorch} is built for the CPU only (docs/install.md says how to install another)`;
  return { ...cpu, reason, surprising: true };
}

/** Why a CUDA build of LibTorch has no device. */
function unusable({ libtorch, cuda }: Availability): string {
  const { driver, version, driverVersion } = cuda;
  if (driver === null) return 'there is no NVIDIA driver';
  if (driver === 0) return 'the NVIDIA driver reports no device';
  if (
    version &&
    driverVersion &&
    Number.parseInt(driverVersion, 10) < Number.parseInt(version, 10)
  ) {
    return `the NVIDIA driver supports CUDA ${driverVersion} at most, and LibTorch ${libtorch} is built for ${version}`;
  }
  return `LibTorch ${libtorch} cannot use the devices that the NVIDIA driver reports`;
}

function expectCuda(asked: string, index: number, available: Availability): void {
  const { libtorch, cuda } = available;
  const { built, driver } = cuda;
  const count = cuda.devices.length;
  if (index < count) return;
  const refuse = (why: string) => new InputError(`\`device: '${asked}'\`: ${why}`);
  if (count === 1) throw refuse('there is one CUDA device, cuda:0; name that one');
  if (count > 1) {
    throw refuse(`there are ${count} CUDA devices, cuda:0 to cuda:${count - 1}; name one of them`);
  }
  if (!built) {
    throw refuse(
      `LibTorch ${libtorch} is built for the CPU only; set mfm up with a CUDA build (LIBTORCH=FOLDER ${SETUP}), or use \`device: 'cpu'\``,
    );
  }
  let remedy = 'install a newer driver or an older LibTorch';
  if (driver === null) remedy = 'install it (nvidia-smi shows whether it works)';
  else if (driver === 0) remedy = 'check nvidia-smi and the variable CUDA_VISIBLE_DEVICES';
  throw refuse(`${unusable(available)}; ${remedy}, or use \`device: 'cpu'\``);
}

function expectMps({ libtorch, platform, mps }: Availability): void {
  if (mps.usable) return;
  const why =
    platform !== 'darwin'
      ? 'MPS exists on Macs only'
      : mps.built
        ? 'this Mac does not support MPS, which needs Apple silicon or an AMD card, and macOS 12.3'
        : `LibTorch ${libtorch} is built without MPS; \`brew install pytorch\` installs a build with it`;
  throw new InputError(`\`device: 'mps'\`: ${why}; use \`device: 'auto'\` or cpu`);
}
