import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type GpuState, gpuFacts } from '../../../../src/cli/commands/info/gpu-facts.js';
import { type Availability, resolveDevice } from '../../../../src/tensor/index.js';

const card = (capability: [number, number]) => ({ name: 'H100', capability, memoryBytes: 80e9 });

function factsOf(cuda: Partial<Availability['cuda']>, more: Partial<GpuState> = {}) {
  const available: Availability = {
    libtorch: '2.9.0',
    platform: 'linux',
    cuda: { built: false, devices: [], driver: null, ...cuda },
    mps: { built: false, usable: false },
  };
  const resolved = resolveDevice('auto', available);
  return gpuFacts({ available, resolved, nccl: true, freeBytes: () => 60e9, ...more });
}

const CUDA = { built: true, version: '12.8', driverVersion: '13.0' };

describe('mfm info on GPUs', () => {
  test('shows the card, its memory, and what supports it', () => {
    const facts = factsOf({ ...CUDA, driver: 1, devices: [card([9, 0])] });
    assert.deepEqual(facts, {
      device: 'cuda:0 H100, compute capability 9.0, 80.00 GB, 60.00 GB free',
      cuda: "LibTorch's CUDA 12.8, driver for CUDA 13.0, NCCL",
    });
    const old = factsOf({ ...CUDA, driver: 1, devices: [card([7, 5])] });
    assert.match(old.device!, /7\.5, .* free, no bfloat16$/);
  });

  test('says nothing of CUDA where there is no reason to expect it', () => {
    assert.deepEqual(Object.keys(factsOf({})), ['device']);
  });

  test('says what is missing, with the remedy', () => {
    const { devices, ...none } = { devices: [card([9, 0]), card([9, 0])], driver: 2 };
    const cases: [Record<string, string>, RegExp][] = [
      [factsOf({ driver: 1, driverVersion: '13.0' }), /^a LibTorch with CUDA: pip install torch/],
      [factsOf({ built: true, version: '12.8' }), /^the NVIDIA driver: install it/],
      [
        factsOf({ ...CUDA, ...none, driverVersion: '11.4' }),
        /^a driver for CUDA 12\.8: update it, or install a LibTorch for CUDA 11\.4$/,
      ],
      [factsOf({ ...CUDA, ...none, devices }, { nccl: false }), /^NCCL, for several GPUs: /],
      [factsOf({ ...CUDA, driver: 0 }), /reports no device/],
    ];
    for (const [facts, message] of cases) assert.match(facts.missing ?? 'nothing', message);
  });
});
