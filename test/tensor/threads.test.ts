/** How many threads operators use, by the environment. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';

const tensors = new URL('../../src/tensor/index.ts', import.meta.url).href;
const program = `import { engineInfo } from '${tensors}'; console.log(engineInfo().threads);`;
const { MFM_THREADS: _, OMP_NUM_THREADS: __, ...others } = process.env;

function threadsWith(asked: Record<string, string>): number {
  const words = ['--import', 'tsx', '--input-type=module', '-e', program];
  const env = { ...others, ...asked };
  return Number(execFileSync(process.execPath, words, { encoding: 'utf8', env }));
}

describe('operators', () => {
  test('use as many threads as MFM_THREADS says, or else OMP_NUM_THREADS', () => {
    assert.equal(threadsWith({ MFM_THREADS: '3', OMP_NUM_THREADS: '5' }), 3);
    assert.equal(threadsWith({ OMP_NUM_THREADS: '5' }), 5);
    assert.equal(threadsWith({ MFM_THREADS: '0', OMP_NUM_THREADS: '4,2' }), 4);
  });

  test('use the physical cores where nothing valid is asked for', () => {
    const cores = threadsWith({});
    assert.ok(cores >= 1);
    for (const OMP_NUM_THREADS of ['', '0', 'many'])
      assert.equal(threadsWith({ OMP_NUM_THREADS }), cores);
  });
});
