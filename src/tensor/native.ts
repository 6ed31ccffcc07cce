/**
 * Loads the addon and configures it for this machine's CPU. Everything that crosses into C++ is
 * typed here; no other file loads the addon.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { InputError, JobError, OperatorError } from '../errors.js';
import { buildRecord, findAddon, SETUP } from '../files/addon.js';
import { useWatcher } from '../processes/stop-signals.js';

/** What native/src exports. Tensors are handles: integers > 0, or 0 for "no tensor". */
export interface Native {
  call(operator: number, ...args: unknown[]): unknown;
  operatorId(name: string): number;
  operatorSchema(operator: number): string;
  release(handles: number | number[]): void;
  liveTensors(): number;
  setErrorClass(errorClass: new (message: string) => Error): void;
  fromBuffer(data: ArrayBufferView, shape: number[], dtype: number, copy: boolean): number;
  copyOut(tensor: number, into: ArrayBufferView): void;
  view(tensor: number): ArrayBuffer;
  shape(tensor: number): number[];
  stride(tensor: number): number[];
  dtype(tensor: number): number;
  device(tensor: number): string;
  numel(tensor: number): number;
  isContiguous(tensor: number): boolean;
  alias(tensor: number): number;
  backward(outputs: number[], gradients: number[] | null, retainGraph: boolean): void;
  gradients(
    outputs: number[],
    inputs: number[],
    gradients: number[] | null,
    retainGraph: boolean,
    allowUnused: boolean,
  ): number[];
  getGrad(tensor: number): number;
  setGrad(tensor: number, gradient: number | null): void;
  requiresGrad(tensor: number): boolean;
  setRequiresGrad(tensor: number, on: boolean): void;
  isLeaf(tensor: number): boolean;
  setGradMode(on: boolean): boolean;
  checkpoint(inputs: number[], output: number, recompute: (gradient: number) => number[]): number;
  hookGradients(parameters: number[], ready: (index: number) => void): number;
  unhookGradients(id: number): void;
  memory(): [used: number, cached: number, peak: number];
  resetPeak(): void;
  emptyCache(): void;
  setCacheLimit(bytes: number): [before: number];
  adjustExternal(bytes: number): void;
  createGenerator(seed: bigint): number;
  releaseGenerator(id: number): void;
  seedGenerator(id: number, seed: bigint): void;
  generatorState(id: number): number;
  setGeneratorState(id: number, state: number): void;
  mapFile(path: string): [id: number, sizeBytes: number];
  unmapFile(id: number): void;
  mappedTensor(id: number, offset: number, shape: number[], dtype: number): number;
  mappedBytes(id: number, offset: number, length: number): ArrayBuffer;
  writeTensor(tensor: number, file: number): number;
  cutFile(tensor?: number): string;
  setThreads(count: number): void;
  threads(): number;
  version(): string;
  buildConfig(): string;
  cudaSupport(): [built: number, seen: number, driver: number];
  cudaProperties(index: number): [major: number, minor: number, bytes: number];
  cudaName(index: number): string;
  cudaMemory(index: number): [free: number, total: number];
  cudaBus(index: number): string;
  cudaVersions(): [driver: number, libtorch: number];
  setGpuChoices(tf32: boolean, deterministic: boolean): void;
  privateCount(): number;
  mpsSupport(): [built: number, usable: number];
  completeMeta(): void;
  groupSupport(): [gloo: number, nccl: number];
  openStore(
    host: string,
    port: number,
    isServer: boolean,
    timeoutMs: number,
  ): Promise<[id: number, port: number]>;
  storeUnder(store: number, prefix: string): number;
  storeSet(store: number, key: string, text: string): Promise<void>;
  storeGet(store: number, key: string): Promise<string>;
  storeMissing(store: number, keys: string[], timeoutMs: number): Promise<number[]>;
  closeStore(store: number): void;
  createGroup(
    store: number,
    rank: number,
    size: number,
    timeoutMs: number,
    address: string,
    gpu: boolean,
  ): Promise<number>;
  closeGroup(group: number, broken: boolean): Promise<void>;
  startAllReduce(group: number, tensor: number, op: string): number;
  startReduce(group: number, tensor: number, op: string, root: number): number;
  startBroadcast(group: number, tensor: number, root: number): number;
  startAllGather(group: number, output: number, input: number): number;
  startAllToAll(group: number, output: number, input: number): number;
  startBarrier(group: number): number;
  waitAside(work: number): Promise<void>;
  waitNow(work: number): void;
  startPulse(rank: number, host: string, port: number, limitMs: number): Promise<number>;
  stopPulse(): Promise<void>;
  lostPeer(): string;
  awaitLostPeer(): Promise<string>;
  watchSignals(numbers: number[], spared: number[], sameMs: number, graceMs: number): void;
  unwatchSignals(): void;
}

function cpuFlags(): Set<string> {
  try {
    const line = readFileSync('/proc/cpuinfo', 'utf8').match(/^(?:flags|Features)\s*:(.*)$/m);
    return new Set(line?.[1]?.trim().split(/\s+/) ?? []);
  } catch {
    return new Set(); // not Linux: LibTorch's own choice stands
  }
}

/** Physical cores for this process: second hyperthreads do not speed up matrix products. */
function physicalCores(): number {
  const logical = availableParallelism();
  try {
    const cores = readdirSync('/sys/devices/system/cpu')
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) =>
        readFileSync(`/sys/devices/system/cpu/${name}/topology/thread_siblings_list`, 'utf8'),
      );
    return Math.max(1, Math.min(logical, new Set(cores).size));
  } catch {
    return logical;
  }
}

/** LibTorch 1.13 picks AVX2 kernels on many AVX-512 machines. The variable is read on loading. */
function chooseKernels(): void {
  const flags = cpuFlags();
  const avx512 = ['avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'fma'].every((f) => flags.has(f));
  if (avx512) process.env.ATEN_CPU_CAPABILITY ??= 'avx512';
}

/**
 * Limits how long OpenMP's idle threads spin. By default they spin for milliseconds, which starves
 * everything else on the machine, data workers first; and beside another program they spin for as
 * long as the thread they wait for gets no core. This limit is about 0.15 ms, several times the gap
 * between most operators. With three times as much, a training step beside a busy core took twice
 * its CPU time; with less, waking threads costs more than it saves. Measured by bench/beside.ts.
 * The variable is read when the library loads.
 */
function limitSpinning(): void {
  if (process.env.OMP_WAIT_POLICY === undefined) process.env.GOMP_SPINCOUNT ??= '3000';
}

function load(): Native {
  const path = findAddon();
  chooseKernels();
  limitSpinning();
  let addon: Native;
  try {
    addon = createRequire(import.meta.url)(path) as Native;
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    const version = buildRecord(path)?.version;
    const purpose = version ? `built for LibTorch ${version}, ` : '';
    throw new JobError(
      `${path}: could not be loaded (${purpose}${reason}); run \`${SETUP}\` to build it for the LibTorch that is installed now`,
      { cause },
    );
  }
  addon.setErrorClass(OperatorError);
  useWatcher(addon);
  addon.setThreads(threadsAsked() ?? physicalCores());
  addon.setGpuChoices(isOn('MFM_TF32'), isOn('MFM_DETERMINISTIC'));
  return addon;
}

/**
 * GPUs compute float32 as float32 unless `MFM_TF32=1`, and by the fastest kernels, whose sums may differ
 * from run to run, unless `MFM_DETERMINISTIC=1`.
 */
const isOn = (name: string): boolean => process.env[name] === '1';

/**
 * The thread count from `MFM_THREADS`, or else from OpenMP's own `OMP_NUM_THREADS`, if set.
 *
 * @throws InputError if `MFM_THREADS` is not a valid count
 */
function threadsAsked(): number | undefined {
  const text = process.env.MFM_THREADS;
  if (text === undefined || text === '' || text === '0') {
    // a list has a number for each level of nested threads; OpenMP ignores what it cannot read
    return threadCount(process.env.OMP_NUM_THREADS?.split(',')[0]);
  }
  const count = threadCount(text);
  if (count !== undefined) return count;
  throw new InputError(`MFM_THREADS: must be a whole number from 1 to 1024, got "${text}"`);
}

const threadCount = (text = ''): number | undefined => {
  const count = text.trim() === '' ? 0 : Number(text);
  return Number.isInteger(count) && count >= 1 && count <= 1024 ? count : undefined;
};

/** A stand-in for worker threads: tensor modules can be imported there, but any use throws. */
function refuse(): Native {
  const get = (): never => {
    throw new JobError('tensors exist only on the main thread; data workers must produce arrays');
  };
  return new Proxy({} as Native, { get });
}

// the addon has a single table of tensors, which belongs to the thread that loads it
export const native: Native = isMainThread ? load() : refuse();

/** Sets how many threads operators use; default: `MFM_THREADS`, `OMP_NUM_THREADS`, else the physical cores. */
export function setThreads(count: number): void {
  native.setThreads(count);
}

/** The engine that this process computes with, for `mfm info` and the benches. */
export function engineInfo(): {
  libtorch: string;
  kernels: string;
  threads: number;
  matrixUnits: string;
} {
  const flags = cpuFlags();
  const units = ['amx_bf16', 'avx512_bf16', 'bf16', 'avx512f', 'avx2'].find((f) => flags.has(f));
  const kernels = native.buildConfig().match(/CPU capability usage: (\S+)/)?.[1] ?? 'default';
  return {
    libtorch: native.version(),
    kernels,
    threads: native.threads(),
    matrixUnits: units ?? process.arch,
  };
}
