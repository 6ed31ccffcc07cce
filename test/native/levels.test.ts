import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const kernelTests = fileURLToPath(new URL('kernels.test.ts', import.meta.url));

// read when the addon loads, hence processes; a level that the CPU lacks falls to the next one
describe('MFM_ISA', () => {
  for (const level of ['avx512', 'avx2', 'baseline']) {
    const skip = process.arch === 'x64' ? false : 'there is one level on this architecture';
    test(`kernels equal their formulas when lowered to ${level}`, { skip }, () => {
      // node:test would run the file as a part of this one, and report nothing here
      const { NODE_TEST_CONTEXT: _, ...env } = process.env;
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        ['--import', 'tsx', kernelTests],
        { encoding: 'utf8', env: { ...env, MFM_ISA: level } },
      );
      assert.equal(status, 0, stdout + stderr);
    });
  }
});
