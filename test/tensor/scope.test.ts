import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { MfmError } from '../../src/errors.js';
import {
  cat,
  emptyCache,
  memoryInfo,
  noGrad,
  ones,
  randn,
  type Tensor,
  tensor,
  tidy,
  withCacheLimit,
  zeros,
} from '../../src/tensor/index.js';

/** Live tensors that `fn` leaves behind. */
function left(fn: () => void): number {
  const before = memoryInfo().tensors;
  fn();
  return memoryInfo().tensors - before;
}

describe('tidy', () => {
  test('frees all but its result', () => {
    let inner: Tensor | undefined;
    let result: Tensor | undefined;
    const count = left(() => {
      result = tidy(() => {
        inner = ones([4]);
        return inner.add(1).mul(2);
      });
    });
    assert.equal(count, 1);
    assert.equal(inner!.isDisposed, true);
    assert.deepEqual([...result!.toFloat32Array()], [4, 4, 4, 4]);
    result!.dispose();
  });

  test('finds results in arrays, objects and Maps', () => {
    const before = memoryInfo().tensors;
    const found = tidy(() => {
      ones([1]);
      return { list: [zeros([1]), [zeros([1])]], map: new Map([['a', zeros([1])]]), n: 1 };
    });
    assert.equal(memoryInfo().tensors - before, 3);
    const all = [found.list[0], (found.list[1] as Tensor[])[0], found.map.get('a')] as Tensor[];
    for (const tensor of all) tensor.dispose();
    assert.equal(memoryInfo().tensors, before);
  });

  test('hands results to the scope around it', () => {
    let passed: Tensor | undefined;
    const count = left(() =>
      tidy(() => {
        passed = tidy(() => ones([2]));
        assert.equal(passed.isDisposed, false);
      }),
    );
    assert.equal(count, 0);
    assert.equal(passed!.isDisposed, true);
  });

  test('leaves tensors from outside alone', () => {
    const outside = ones([2]);
    tidy(() => outside.add(1));
    assert.equal(outside.isDisposed, false);
    outside.dispose();
  });

  test('frees also when the function throws, and the next scope works', () => {
    const count = left(() => {
      assert.throws(() =>
        tidy(() => {
          ones([2]);
          throw new Error('no');
        }),
      );
      tidy(() => ones([2]).item === undefined);
    });
    assert.equal(count, 0);
  });

  test('refuses async functions', () => {
    assert.throws(() => tidy(async () => 1), /must not be async/);
  });
});

describe('keep and dispose', () => {
  test('keep takes a tensor out of all scopes until it is disposed', () => {
    const kept = tidy(() => tidy(() => ones([2]).keep()));
    let held: Tensor | undefined;
    tidy(() => {
      held = ones([3]).keep();
    });
    assert.deepEqual([kept.isDisposed, held!.isDisposed], [false, false]);
    const before = memoryInfo().tensors;
    kept.dispose();
    held!.dispose();
    held!.dispose(); // a second time does nothing
    assert.equal(memoryInfo().tensors, before - 2);
  });

  test('use after free names what made the tensor', () => {
    const x = tidy(() => {
      const made = ones([2]).add(1);
      return { made: () => made };
    }).made();
    assert.throws(() => x.shape, {
      name: 'MfmError',
      message: /freed tensor \(made by aten::add\.Scalar\).*MFM_TRACE=1/,
    });
    assert.throws(() => tensor([1]).add(x), MfmError);
  });

  test('a loop under tidy stays flat, forward and backward', () => {
    const weight = randn([16, 16]).keep().requiresGrad_();
    const step = () =>
      tidy(() => {
        const loss = cat([randn([8, 16]).matmul(weight).tanh(), zeros([1, 16])])
          .square()
          .mean();
        loss.backward();
        noGrad(() => weight.sub_(weight.grad!.mul(0.01)));
        weight.grad = null;
      });
    for (let i = 0; i < 20; i++) step();
    const before = memoryInfo();
    for (let i = 0; i < 2000; i++) step();
    const after = memoryInfo();
    assert.equal(after.tensors, before.tensors);
    assert.equal(after.usedBytes, before.usedBytes);
    weight.dispose();
  });
});

test('with MFM_TRACE=1 reports name the line that made a tensor', () => {
  const index = pathToFileURL('src/tensor/index.ts').href;
  const script = `
    const { leakReport, ones } = await import(${JSON.stringify(index)});
    function leaky() { return ones([3]).keep(); }
    const held = [leaky(), leaky()];
    const freed = leaky();
    freed.dispose();
    let message = '';
    try { freed.shape; } catch (error) { message = error.message; }
    console.log(JSON.stringify({ report: leakReport(), message }));
  `;
  const child = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', script],
    { env: { ...process.env, MFM_TRACE: '1' }, encoding: 'utf8' },
  );
  assert.equal(child.status, 0, child.stderr);
  const { report, message } = JSON.parse(child.stdout);
  assert.equal(report[0].tensors, 2);
  assert.match(report[0].origin, /^aten::ones .*leaky/);
  assert.match(message, /made by aten::ones .*leaky/);
});

describe('withCacheLimit', () => {
  const MEGABYTE = 2 ** 20;
  const use = (megabytes: number) => tidy(() => void zeros([megabytes * (MEGABYTE / 4)]));

  test('holds no more than the limit, and what was freed last', () => {
    emptyCache();
    withCacheLimit(8 * MEGABYTE, () => {
      for (const megabytes of [1, 2, 3, 4]) use(megabytes);
      // 1 and 2 have waited longest
      assert.equal(memoryInfo().cachedBytes, 7 * MEGABYTE);
      use(4);
      assert.equal(memoryInfo().cachedBytes, 7 * MEGABYTE);
      use(16); // larger than the limit
      assert.equal(memoryInfo().cachedBytes, 7 * MEGABYTE);
    });
  });

  test('gives back at once what is above a lower limit, and restores the one before', () => {
    emptyCache();
    use(4);
    use(2);
    withCacheLimit(3 * MEGABYTE, () => {
      assert.equal(memoryInfo().cachedBytes, 2 * MEGABYTE);
    });
    use(16);
    assert.equal(memoryInfo().cachedBytes, 18 * MEGABYTE);
  });
});

describe('memory of tensors', () => {
  const MEGABYTE = 2 ** 20;
  /** From pages of some kilobytes to huge ones. */
  const SIZES = [0.3, 1, 1.9, 2, 2.1, 7, 64].map((megabytes) => megabytes * MEGABYTE);

  test('goes back to the system with emptyCache', () => {
    emptyCache();
    const before = process.memoryUsage().rss;
    const tensors = SIZES.map((bytes) => ones([Math.ceil(bytes / 4)]));
    const held = process.memoryUsage().rss - before;
    for (const one of tensors) one.dispose();
    emptyCache();
    const after = process.memoryUsage().rss - before;
    assert.ok(held > 75 * MEGABYTE, `held ${held}`);
    assert.ok(after < 8 * MEGABYTE, `still held ${after}`);
  });

  const skip = process.platform === 'linux' ? false : 'only Linux keeps pages from programs';
  test('is not copied for programs that are started', { skip }, () => {
    /** Megabytes of anonymous pages that a fork copies. */
    const inherited = () =>
      readFileSync('/proc/self/smaps', 'utf8')
        .split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)
        .filter((region) => !/^VmFlags:.* dc\b/m.test(region))
        .reduce((sum, region) => sum + Number(/^Anonymous: +(\d+) kB/m.exec(region)![1]), 0) / 1024;
    emptyCache();
    const before = inherited();
    const tensors = SIZES.map((bytes) => ones([Math.ceil(bytes / 4)]));
    const more = inherited() - before;
    for (const one of tensors) one.dispose();
    assert.ok(more < 8, `${more} MB`);
  });
});
