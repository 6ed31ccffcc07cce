/** Where tensors are and operators run: names of devices, which of them there are, which to take. */
import { freemem } from 'node:os';
import { InputError } from '../errors.js';
import { native } from './native.js';
import { tidy } from './scope.js';
import type { Tensor } from './tensor.js';

/** A graphics card that LibTorch can use. */
export interface CudaDevice {
  name: string;
  /** compute capability, e.g. [8, 0]; [0, 0] where the driver does not say */
  capability: [major: number, minor: number];
  /** all of its memory; 0 where the driver does not say */
  memoryBytes: number;
}

/** What LibTorch was built for, and what of that this machine has. */
export interface Availability {
  libtorch: string;
  /** `process.platform` */
  platform: string;
  cuda: {
    built: boolean;
    devices: CudaDevice[];
    /** NVIDIA devices of the driver, also where LibTorch cannot use them; null without a driver */
    driver: number | null;
  };
  mps: { built: boolean; usable: boolean };
}

export interface ResolvedDevice {
  /** as tensors name theirs: `cpu`, `cuda:0`, `mps:0` */
  device: string;
  /** a sentence for the user where a GPU was to be expected and is not used; else null */
  fallback: string | null;
}

/** Asks LibTorch and the driver. */
export function availability(): Availability {
  const [built, seen, driver] = native.cudaSupport();
  const [mpsBuilt, mpsUsable] = native.mpsSupport();
  const devices = Array.from({ length: seen }, (_, i): CudaDevice => {
    const [major, minor, memoryBytes] = native.cudaProperties(i);
    return { name: native.cudaName(i) || 'CUDA device', capability: [major, minor], memoryBytes };
  });
  return {
    libtorch: native.version(),
    platform: process.platform,
    cuda: { built: built === 1, devices, driver: driver < 0 ? null : driver },
    mps: { built: mpsBuilt === 1, usable: mpsUsable === 1 },
  };
}

/**
 * The device that is meant. `auto` takes CUDA where LibTorch has a device, else MPS, else the CPU.
 *
 * @throws InputError if there is no such device, saying why and what to do
 */
export function resolveDevice(asked: string, available: Availability): ResolvedDevice {
  if (asked === 'auto') return automatic(available);
  const cuda = /^cuda(?::(\d+))?$/.exec(asked);
  if (cuda) {
    const index = Number(cuda[1] ?? 0);
    expectCuda(asked, index, available);
    return { device: `cuda:${index}`, fallback: null };
  }
  if (asked === 'mps') {
    expectMps(available);
    return { device: 'mps:0', fallback: null };
  }
  if (asked !== 'cpu') {
    throw new InputError(`--device: must be auto, cpu, cuda, cuda:N or mps, got "${asked}"`);
  }
  return { device: 'cpu', fallback: null };
}

/** Of a CUDA device as it is resolved; undefined for any other. */
export function cudaDevice(device: string, { cuda }: Availability): CudaDevice | undefined {
  const index = /^cuda:(\d+)$/.exec(device)?.[1];
  return index === undefined ? undefined : cuda.devices[Number(index)];
}

/** Bytes that networks can be put into: a CUDA device's own memory, else what is free here. */
export function memoryFor(device: string): number {
  const own = device.startsWith('cuda') ? cudaDevice(device, availability()) : undefined;
  return own ? own.memoryBytes : freemem();
}

/**
 * Waits until a tensor is computed. A GPU is given work far ahead of what it has done, so without
 * this a progress bar would be full, and Ctrl-C late, long before the end.
 */
export function waitFor(tensor: Tensor): void {
  const { device } = tensor;
  if (device === 'cpu' || device === 'meta') return;
  tidy(() => tensor.flatten().narrow(0, 0, 1).to('cpu'));
}

const CPU_INSTEAD = 'computing on the CPU';

function automatic({ libtorch, cuda, mps }: Availability): ResolvedDevice {
  if (cuda.devices.length > 0) return { device: 'cuda:0', fallback: null };
  if (mps.usable) return { device: 'mps:0', fallback: null };
  let fallback: string | null = null;
  if (cuda.driver) {
    const count = `${cuda.driver} CUDA device${cuda.driver === 1 ? '' : 's'}`;
    const why = cuda.built
      ? `LibTorch ${libtorch} cannot use them; is the driver too old for it?`
      : `LibTorch ${libtorch} is built for the CPU alone (docs/install.md says how to get another)`;
    fallback = `this machine has ${count}, but ${why}: ${CPU_INSTEAD}`;
  } else if (cuda.built) {
    fallback = `LibTorch ${libtorch} is built for CUDA, but ${noCudaDevice(cuda.driver)}: ${CPU_INSTEAD}`;
  }
  return { device: 'cpu', fallback };
}

function noCudaDevice(driver: number | null): string {
  return driver === null ? 'there is no NVIDIA driver' : 'the driver shows no device';
}

const OR_CPU = 'or take --device cpu';

function expectCuda(asked: string, index: number, { libtorch, cuda }: Availability): void {
  const count = cuda.devices.length;
  if (index < count) return;
  if (!cuda.built) {
    throw new InputError(
      `--device ${asked}: LibTorch ${libtorch} is built for the CPU alone; set mfm up with one for CUDA (LIBTORCH=FOLDER make setup), ${OR_CPU}`,
    );
  }
  if (count > 0) {
    throw new InputError(
      `--device ${asked}: there ${count === 1 ? 'is one CUDA device, cuda:0' : `are ${count} CUDA devices, cuda:0 to cuda:${count - 1}`}; name one that there is`,
    );
  }
  const remedy = {
    none: `install the driver (nvidia-smi shows whether it works)`,
    hidden: `look at nvidia-smi and at the variable CUDA_VISIBLE_DEVICES`,
    old: `install a newer driver, or an older LibTorch`,
  }[cuda.driver === null ? 'none' : cuda.driver === 0 ? 'hidden' : 'old'];
  const what = cuda.driver
    ? `LibTorch ${libtorch} cannot use the ${cuda.driver === 1 ? 'device' : `${cuda.driver} devices`} of this driver`
    : noCudaDevice(cuda.driver);
  throw new InputError(`--device ${asked}: ${what}; ${remedy}, ${OR_CPU}`);
}

function expectMps({ libtorch, platform, mps }: Availability): void {
  if (mps.usable) return;
  const why =
    platform !== 'darwin'
      ? 'only Macs have it'
      : mps.built
        ? 'this Mac has none, it needs Apple silicon or an AMD card and macOS 12.3'
        : `LibTorch ${libtorch} is built without it; \`brew install pytorch\` brings one with it`;
  throw new InputError(`--device mps: ${why}; take --device auto or cpu`);
}
