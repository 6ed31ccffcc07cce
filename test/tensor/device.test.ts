import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { type Availability, availability, resolveDevice } from '../../src/tensor/index.js';

const card = (name: string) => ({ name, capability: [8, 0] as [number, number], memoryBytes: 8e9 });

/** A Linux machine with a CPU-only LibTorch and no GPU, except for the changes given. */
function machine(changes: {
  platform?: string;
  cuda?: Partial<Availability['cuda']>;
  mps?: Partial<Availability['mps']>;
}): Availability {
  return {
    libtorch: '2.4.0',
    platform: changes.platform ?? 'linux',
    cuda: { built: false, devices: [], driver: null, ...changes.cuda },
    mps: { built: false, usable: false, ...changes.mps },
  };
}

const plain = machine({});
const twoCards = machine({ cuda: { built: true, driver: 2, devices: [card('a'), card('b')] } });
const mac = machine({ platform: 'darwin', mps: { built: true, usable: true } });

describe('resolveDevice', () => {
  test('auto takes CUDA, else MPS, else the CPU, for a reason that surprises nobody', () => {
    for (const [available, device] of [
      [twoCards, 'cuda:0'],
      [mac, 'mps:0'],
      [plain, 'cpu'],
      [machine({ platform: 'darwin' }), 'cpu'],
      // pip's LibTorch where there is no GPU, and a driver without one
      [machine({ cuda: { built: true } }), 'cpu'],
      [machine({ cuda: { driver: 0 } }), 'cpu'],
    ] as const) {
      const resolved = resolveDevice('auto', available);
      assert.deepEqual([resolved.device, resolved.surprising], [device, false]);
      assert.equal(resolved.reason === null, device !== 'cpu');
    }
  });

  test('auto says why where a GPU was to be expected', () => {
    for (const [cuda, why] of [
      [{ built: false, driver: 1 }, /1 CUDA device, but LibTorch 2\.4\.0 is built for the CPU onl/],
      [
        { built: true, driver: 2 },
        /LibTorch 2\.4\.0 cannot use the devices that the NVIDIA driver reports/,
      ],
      [{ built: true, driver: 0 }, /the NVIDIA driver reports no device/],
    ] as const) {
      const { device, reason, surprising } = resolveDevice('auto', machine({ cuda }));
      assert.deepEqual([device, surprising], ['cpu', true]);
      assert.match(reason!, why);
      assert.doesNotMatch(reason!, /\n/);
    }
  });

  test('a named device is taken, under the name that tensors have', () => {
    assert.equal(resolveDevice('cpu', twoCards).device, 'cpu');
    assert.equal(resolveDevice('cuda', twoCards).device, 'cuda:0');
    assert.equal(resolveDevice('cuda:1', twoCards).device, 'cuda:1');
    assert.equal(resolveDevice('mps', mac).device, 'mps:0');
  });

  test('a named device that is not there is refused, with the reason and a remedy', () => {
    const oneCard = machine({ cuda: { built: true, driver: 1, devices: [card('a')] } });
    const cases: [string, Availability, RegExp][] = [
      ['cuda', plain, /^`device: 'cuda'`: LibTorch 2\.4\.0 is built for the CPU only; .*LIBTORCH=/],
      ['cuda:1', machine({ cuda: { driver: 2 } }), /built for the CPU only/],
      ['cuda', machine({ cuda: { built: true } }), /no NVIDIA driver; install it/],
      ['cuda', machine({ cuda: { built: true, driver: 0 } }), /no device; .*CUDA_VISIBLE_DEVICES/],
      [
        'cuda',
        machine({ cuda: { built: true, driver: 1 } }),
        /cannot use the devices .*; install a newer/,
      ],
      ['cuda:2', twoCards, /^`device: 'cuda:2'`: there are 2 CUDA devices, cuda:0 to cuda:1; name/],
      ['cuda:1', oneCard, /there is one CUDA device, cuda:0;/],
      ['mps', plain, /MPS exists on Macs only; use `device/],
      ['mps', machine({ platform: 'darwin' }), /built without MPS; .*brew/],
      ['mps', machine({ platform: 'darwin', mps: { built: true } }), /needs Apple silicon/],
      ['gpu', twoCards, /^`device`: must be auto, cpu, cuda, cuda:N or mps, got "gpu"$/],
      ['cuda:', twoCards, /must be auto/],
      ['cuda:x', twoCards, /must be auto/],
      ['meta', twoCards, /must be auto/],
      ['', twoCards, /must be auto/],
    ];
    for (const [asked, available, message] of cases) {
      assert.throws(
        () => resolveDevice(asked, available),
        (error: Error) => {
          assert.ok(error instanceof InputError);
          assert.match(error.message, message);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        },
      );
    }
  });

  test('what this machine has can be asked, and its CPU taken', () => {
    const here = availability();
    assert.equal(resolveDevice('cpu', here).device, 'cpu');
    assert.ok(here.cuda.built || here.cuda.devices.length === 0);
  });
});
