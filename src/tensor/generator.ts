/** Seeded random numbers whose state can be saved and restored. */
import { native } from './native.js';

const collected = new FinalizationRegistry<number>((id) => native.releaseGenerator(id));

/**
 * A stream of random numbers on the CPU. The same seed gives the same stream on every machine;
 * noise for other devices is drawn on the CPU and moved there, so results do not depend on the
 * device.
 */
export class Generator {
  readonly id: number;

  constructor(seed: number | bigint) {
    this.id = native.createGenerator(BigInt(seed));
    collected.register(this, this.id);
  }

  /** The state as bytes (about 5 KB), for checkpoints. */
  getState(): Uint8Array {
    return readState(this.id);
  }

  /** @throws OperatorError if the bytes are not a generator's state */
  setState(state: Uint8Array): void {
    writeState(this.id, state);
  }
}

export const isGenerator = (value: unknown): value is Generator => value instanceof Generator;

/** Seeds LibTorch's default generator, for weight initialisation and operators without another. */
export function manualSeed(seed: number | bigint): void {
  native.seedGenerator(0, BigInt(seed));
}

/** The default generator's state, for checkpoints. */
export const defaultGenerator = {
  getState: (): Uint8Array => readState(0),
  setState: (state: Uint8Array): void => writeState(0, state),
};

function readState(id: number): Uint8Array {
  const handle = native.generatorState(id);
  const bytes = new Uint8Array(native.numel(handle));
  native.copyOut(handle, bytes);
  native.release(handle);
  return bytes;
}

function writeState(id: number, state: Uint8Array): void {
  const handle = native.fromBuffer(state, [state.length], 0, true);
  try {
    native.setGeneratorState(id, handle);
  } finally {
    native.release(handle);
  }
}
