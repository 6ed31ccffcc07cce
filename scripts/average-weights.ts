/**
 * Averages the transformers of two pipelines that were trained on from the same weights: each weight
 * becomes SHARE of the first one's and the rest of the second one's. All else is the first one's. The
 * mean of two trainings is often as good as each of them at what that was trained for.
 *
 *     node --import tsx scripts/average-weights.ts FIRST SECOND TARGET --share 0.7
 *
 * Source: Wortsman et al. 2022, model soups, arXiv 2203.05482
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { describeProblem } from '../src/cli/terminal/problem.js';
import { InputError } from '../src/errors.js';
import { copyPipeline } from '../src/pipeline/merge-lora.js';
import { openSafetensors, saveSafetensors, type Tensor, tidy } from '../src/tensor/index.js';

const args = defineArgs({
  positional: {
    first: { kind: 'text', describe: 'pipeline folder' },
    second: { kind: 'text', describe: 'pipeline folder with the same networks' },
    target: { kind: 'text', describe: 'new folder for the result' },
  },
  options: {
    share: { kind: 'number', default: 0.5, min: 0, max: 1, describe: "the first one's share" },
  },
});

try {
  const options = parseArgs('scripts/average-weights.ts', args, process.argv.slice(2));
  const means = weightFiles(options.first).map((name) => [name, meanOf(name, options)] as const);
  await copyPipeline(options.first, options.target);
  for (const [name, { tensors, metadata }] of means) {
    saveSafetensors(join(options.target, 'transformer', name), tensors, metadata);
  }
} catch (error) {
  const { message, exitCode } = describeProblem(error);
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

function weightFiles(pipeline: string): string[] {
  const names = readdirSync(join(pipeline, 'transformer'));
  return names.filter((name) => name.endsWith('.safetensors'));
}

/** @throws InputError if the two files do not hold the same weights */
function meanOf(
  name: string,
  { first, second, share }: { first: string; second: string; share: number },
) {
  const [a, b] = [first, second].map((one) => openSafetensors(join(one, 'transformer', name)));
  const tensors: Record<string, Tensor> = {};
  for (const key of a!.keys()) {
    if (!b!.has(key) || `${b!.info(key).shape}` !== `${a!.info(key).shape}`) {
      throw new InputError(`${second}: has no weight ${key} of the size that it has in ${first}`);
    }
    tensors[key] = tidy(() => {
      const [one, other] = [a!.get(key), b!.get(key)];
      const mean = one
        .to('float32')
        .mul(share)
        .add(other.to('float32').mul(1 - share));
      return mean.to(one.dtype).keep();
    });
  }
  return { tensors, metadata: a!.metadata };
}
