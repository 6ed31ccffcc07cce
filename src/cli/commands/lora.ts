/** `mfm lora`: shows a LoRA, exports it in another layout, or merges it into a pipeline. */
import { existsSync } from 'node:fs';
import { extname } from 'node:path';
import { InputError } from '../../errors.js';
import { SourceFiles } from '../../files/output-place.js';
import type { LoraFile } from '../../nn/index.js';
import { chosenDevice, deviceOption } from '../options/device.js';
import { loraOption, lorasOf } from '../options/lora.js';
import { defineArgs, expectNone, type Options } from '../terminal/args.js';
import type { Example } from '../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../terminal/interrupt.js';

export const summary = 'show a LoRA, export it in another layout, or merge it into a pipeline';

export const args = defineArgs({
  positional: {
    action: {
      kind: 'text',
      choices: ['info', 'merge', 'export'],
      describe:
        '"info" shows the contents of a LoRA; "merge" writes a pipeline with LoRAs merged into its weights; "export" writes a LoRA for another program',
    },
    source: {
      kind: 'text',
      optional: true,
      describe: 'info: the LoRA; merge: the pipeline, a folder or ORG/NAME',
    },
  },
  options: {
    lora: { ...loraOption, describe: 'merge, export: a LoRA and its strength (default: 1)' },
    output: {
      kind: 'text',
      short: 'o',
      placeholder: 'FOLDER',
      describe: 'merge, export: folder to write',
    },
    layout: {
      kind: 'text',
      choices: ['diffusers', 'peft'],
      describe: 'export: layout to write (default: diffusers)',
    },
    dtype: {
      kind: 'text',
      choices: ['float32', 'bfloat16', 'float16'],
      describe: 'export: dtype of the stored tensors (default: unchanged)',
    },
    device: { ...deviceOption, describe: `merge: ${deviceOption.describe}` },
    json: { kind: 'flag', describe: 'info: print JSON, with every layer and key' },
  },
});

export const examples: readonly Example[] = [
  ['the contents of a LoRA', 'lora info style.safetensors'],
  [
    'a pipeline with the LoRA merged in',
    'lora merge models/mfm-mini --lora style.safetensors:0.8 -o styled',
  ],
  [
    'the LoRA for use with PEFT',
    'lora export --lora style.safetensors --layout peft -o style-peft',
  ],
];

type Given = Options<typeof args>;

export async function run(options: Given): Promise<number | undefined> {
  const { action, source } = options;
  expectOnly(options);
  if (action === 'merge') return merge(options);
  if (action === 'export') return exportOne(options);
  if (source === undefined) {
    throw new InputError('mfm lora info: the LoRA is missing (a file or a folder)');
  }
  return info(source, options.json ?? false);
}

/** The arguments that each action takes; any others are refused. */
const TAKES: Record<string, readonly (keyof Given)[]> = {
  info: ['source', 'json'],
  merge: ['source', 'lora', 'output', 'device'],
  export: ['lora', 'output', 'layout', 'dtype'],
};

function expectOnly(options: Given): void {
  const { action, source } = options;
  const taken = TAKES[action]!;
  if (source !== undefined && !taken.includes('source')) {
    throw new InputError(
      `mfm lora ${action}: "${source}" is one word too many; name it with --lora`,
    );
  }
  const names = ['lora', 'output', 'layout', 'dtype', 'device', 'json'] as const;
  expectNone(
    `mfm lora ${action}`,
    options,
    names.filter((name) => !taken.includes(name)),
  );
}

async function merge({ source, lora, output, device: asked }: Given): Promise<number | undefined> {
  const where = 'mfm lora merge';
  if (source === undefined) throw new InputError(`${where}: the pipeline is missing (a folder)`);
  if (lora.length === 0) throw new InputError(`${where}: --lora is missing (the LoRA to merge)`);
  if (output === undefined) throw new InputError(`${where}: --output is missing (a new folder)`);
  const { mergeLoras } = await import('../../pipeline/merge-lora.js');
  const { resolvePipeline } = await import('../../pipeline/find.js');
  const folder = resolvePipeline(source);
  const device = await chosenDevice(asked);
  return withInterrupt('stopping after this file; nothing is kept', async (signal) => {
    try {
      const { weights, files } = await mergeLoras(folder, lorasOf(lora), output, {
        signal,
        device,
      });
      process.stderr.write(
        `${weights} weights of the transformer changed, ${files} files unchanged\n`,
      );
      process.stdout.write(`${output}\n`);
      return undefined;
    } catch (error) {
      if (signal.aborted) return INTERRUPTED;
      throw error;
    }
  });
}

async function exportOne({ lora, output, layout, dtype }: Given): Promise<undefined> {
  const where = 'mfm lora export';
  if (lora.length !== 1) throw new InputError(`${where}: takes one --lora, got ${lora.length}`);
  if (output === undefined) throw new InputError(`${where}: --output is missing (a folder)`);
  const { disposeLora, loraPath, readLora, saveLora } = await import('../../nn/index.js');
  const [{ path: given, scale }] = lorasOf(lora) as [{ path: string; scale: number }];
  const read = readLora(given);
  const source = new SourceFiles([{ path: read.file, what: 'the LoRA' }]);
  if (extname(output) === '.safetensors') {
    throw new InputError(
      `${where}: --output is a folder, in which the file gets the name that programs look for; leave out .safetensors`,
    );
  }
  const path = loraPath(output, layout ?? 'diffusers');
  source.expectOtherFile(path);
  if (existsSync(path)) throw new InputError(`${path}: exists already; name another folder`);
  // other programs have no separate scale, so it goes into alpha
  const scaled = [...read.weights].map(
    ([name, change]) => [name, { ...change, alpha: change.alpha * scale }] as const,
  );
  const file = saveLora(output, new Map(scaled), { layout: layout ?? 'diffusers', dtype });
  disposeLora(read);
  process.stdout.write(`${file}\n`);
  return undefined;
}

async function info(path: string, json: boolean): Promise<undefined> {
  const { disposeLora, readLora } = await import('../../nn/index.js');
  const lora = readLora(path);
  const text = json ? JSON.stringify(detailsOf(lora), null, 2) : linesOf(lora).join('\n');
  disposeLora(lora);
  process.stdout.write(`${text}\n`);
  return undefined;
}

function detailsOf({ file, layout, dtype, keys, weights }: LoraFile) {
  const layers = [...weights].map(([name, { a, b, alpha }]) => ({
    name,
    rank: a.size(0),
    alpha,
    in: a.size(1),
    out: b.size(0),
  }));
  const parameters = layers.reduce((sum, layer) => sum + layer.rank * (layer.in + layer.out), 0);
  return { file, layout, dtype, parameters, layers, keys };
}

/** Facts, then one line for each group of layers that differ only in their block. */
function linesOf(lora: LoraFile): string[] {
  const { file, layout, dtype, parameters, layers, keys } = detailsOf(lora);
  const groups = new Map<string, number>();
  for (const layer of layers) {
    const name = layer.name.replace(/\.\d+(?=\.|$)/g, '.*');
    const line = `${name}  ${layer.in} to ${layer.out}, rank ${layer.rank}, alpha ${layer.alpha}`;
    groups.set(line, (groups.get(line) ?? 0) + 1);
  }
  const all = (values: number[]) => [...new Set(values)].sort((a, b) => a - b).join(', ');
  const facts = {
    file: `${file}, ${layout} layout, ${dtype}`,
    rank: all(layers.map(({ rank }) => rank)),
    alpha: all(layers.map(({ alpha }) => alpha)),
    parameters: `${parameters}`,
    keys: `${keys.length}, as ${keys[0]}`,
    targets: `${layers.length}`,
  };
  const rows = Object.entries(facts).map(([name, value]) => `${name.padEnd(10)}  ${value}`);
  return [...rows, ...[...groups].map(([line, count]) => `  ${count} x ${line}`)];
}
