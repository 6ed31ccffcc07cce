import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { args, run } from '../../../../src/cli/commands/train/train.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { quietly } from '../../quietly.js';

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);

/** `mfm train` with a recipe that names a device. */
function train(device: string, ...words: string[]) {
  const recipe = `name: tiny\ndevice: ${device}\ntransformer: { steps: 1 }\n`;
  writeFileSync(at('tiny.yaml'), recipe);
  const all = [at('tiny.yaml'), '--run', at('run'), ...words];
  return quietly(async () => run(parseArgs('mfm train', args, all) as never));
}

test('a device that is not there is refused in a sentence, and nothing is written', async () => {
  for (const [device, words, message] of [
    ['auto', ['--device', 'cuda:90'], /^--device cuda:90: .*(only|one|CUDA devices|driver).*; /],
    ['cuda:90', [], /^--device cuda:90: /],
    ['auto', ['--device', 'gpu'], /--device: must be auto, cpu, cuda, cuda:N or mps, got "gpu"/],
    ['gpu', [], /device: must be auto, cpu, cuda, cuda:N or mps, got "gpu"/],
  ] as const) {
    const { exitCode, message: said } = await train(device, ...words);
    assert.equal(exitCode, 2, said);
    assert.match(said.replace(/^.*\n {2}/, ''), message);
    assert.ok(!existsSync(at('run')));
  }
});
