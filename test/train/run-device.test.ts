import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { expectWeightsToFit } from '../../src/pipeline/cost/available.js';
import type { Availability } from '../../src/tensor/index.js';
import { expectApart, type LocalPlace, runDevice } from '../../src/train/run-device.js';

const card = { name: 'a', capability: [9, 0] as [number, number], memoryBytes: 80e9 };
const machine = (cards: number): Availability => ({
  libtorch: '2.9.0',
  platform: 'linux',
  cuda: { built: true, driver: cards, devices: Array(cards).fill(card) },
  mps: { built: false, usable: false },
});
const ALONE = { localRank: 0, localSize: 1 };

/** The device that a recipe and an option come to, and what is said of it. */
function chosen(
  { recipe = 'auto', option }: { recipe?: string; option?: string },
  { cards = 2, place = ALONE }: { cards?: number; place?: LocalPlace } = {},
) {
  const said: string[] = [];
  const plan = { device: recipe, dtype: 'auto' as const };
  const device = runDevice(plan, option, place, (note) => said.push(note), machine(cards));
  return { device, said };
}

const refused = (message: RegExp) => (error: Error) => {
  assert.ok(error instanceof InputError);
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /\n/);
  return true;
};

describe('the device of a run', () => {
  test('is the recipe’s, or a GPU if there is one', () => {
    assert.deepEqual(chosen({}), { device: 'cuda:0', said: [] });
    assert.deepEqual(chosen({ recipe: 'cpu' }), { device: 'cpu', said: [] });
    assert.deepEqual(chosen({ recipe: 'cuda:1' }), { device: 'cuda:1', said: [] });
    assert.equal(chosen({}, { cards: 0 }).device, 'cpu');
  });

  test('is the option’s where both name one, which is said', () => {
    const { device, said } = chosen({ recipe: 'cuda', option: 'cpu' }, { cards: 0 });
    assert.equal(device, 'cpu');
    assert.deepEqual(said, ["computing on cpu, as `device` says, and not on the recipe's cuda"]);
    assert.deepEqual(chosen({ recipe: 'cpu', option: 'cpu' }).said, []);
    assert.deepEqual(chosen({ option: 'cuda' }).said, []);
  });

  test('that this machine lacks is refused, whoever names it', () => {
    assert.throws(() => chosen({ recipe: 'cuda' }, { cards: 0 }), refused(/no device; .*or use/));
    assert.throws(() => chosen({ option: 'cuda:2' }), refused(/there are 2 CUDA devices/));
  });

  test('is another GPU for each process of a machine', () => {
    for (const localRank of [0, 1]) {
      const place = { localRank, localSize: 2 };
      for (const asked of [{}, { option: 'cuda' }, { recipe: 'cuda' }]) {
        assert.equal(chosen(asked, { place }).device, `cuda:${localRank}`);
      }
      // a launcher that shows each process its own alone
      assert.equal(chosen({}, { place, cards: 1 }).device, 'cuda:0');
      assert.equal(chosen({ option: 'cpu' }, { place }).device, 'cpu');
      assert.throws(
        () => chosen({ option: 'cuda:0' }, { place }),
        refused(/is one GPU for 2 processes, which need one each; take cuda/),
      );
    }
  });

  test('cannot be a GPU that two processes have', () => {
    const at = (host: string, bus: string) => ({ host, at: bus });
    expectApart([at('a', '0000:01:00.0'), at('a', '0000:02:00.0'), at('b', '0000:01:00.0')]);
    expectApart([null, null]);
    // drivers that do not say where a device is
    expectApart([at('a', ''), at('a', '')]);
    assert.throws(
      () => expectApart([null, at('a', '0000:01:00.0'), at('a', '0000:01:00.0')]),
      refused(/^`device`: ranks 1 and 2 are both on the GPU 0000:01:00\.0 of a, .*`nproc`/),
    );
  });
});

test('weights that a GPU has no room for are refused before any are loaded', () => {
  const memory = { free: 10e9, total: 80e9 };
  expectWeightsToFit([4e9, 5e9], false, 'cuda:0', memory);
  expectWeightsToFit([8e9, 8e9], true, 'cuda:0', memory);
  expectWeightsToFit([8e20], false, 'cpu');
  assert.throws(
    () => expectWeightsToFit([8e9, 8e9], false, 'cuda:0', memory),
    refused(
      /need 16\.00 GB, and 10\.00 GB of its 80\.00 GB is free \(nvidia-smi shows what holds the rest\); take/,
    ),
  );
});
