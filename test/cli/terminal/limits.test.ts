import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { before, describe, test } from 'node:test';
import type { z } from 'zod';
import { checkConfig } from '../../../src/check-config.js';
import { args } from '../../../src/cli/commands/generate/generate.js';
import { readJobs } from '../../../src/cli/commands/generate/jobs.js';
import { lorasOf } from '../../../src/cli/options/lora.js';
import { parseArgs } from '../../../src/cli/terminal/args.js';
import { InputError } from '../../../src/errors.js';
import { AutoencoderConfig } from '../../../src/models/autoencoder/index.js';
import { DepthAnythingConfig } from '../../../src/models/depth-anything/config.js';
import { T5Config } from '../../../src/models/t5/index.js';
import { TRANSFORMER_PRESETS, TransformerConfig } from '../../../src/models/transformer/index.js';
import { PipelineSettings } from '../../../src/pipeline/index.js';
import { workplace } from '../commands/generate/generating.js';

const { at, generate } = workplace('limits');
const parse = (...words: string[]) => parseArgs('mfm generate', args, ['t2v', ...words]);

describe('counts without end are refused before anything is allocated', () => {
  const counts: [string, string, RegExp][] = [
    ['--frames', '1e9', /--frames: must be a whole number from 1 to 1000000, got "1e9"$/],
    ['--frames', '99999999999', /--frames: must be .* from 1 to 1000000/],
    ['--window', '3e8', /--window: must be .* from 1 to 1000000/],
    ['--steps', '1e9', /--steps: must be .* from 1 to 10000/],
    ['--samples', '1e9', /--samples: must be .* from 1 to 100000/],
    ['--tile', '99999984x16', /--tile: a side must be at most 16384 pixels, got 99999984x16$/],
  ];
  for (const [flag, value, message] of counts) {
    test(`${flag} ${value}`, () => {
      assert.throws(() => parse(flag, value), { name: 'InputError', message });
    });
  }

  test('in configurations, by the key', () => {
    const transformer = TRANSFORMER_PRESETS['mfm-mini'];
    const wrong: [z.ZodType, object, string][] = [
      [TransformerConfig, { ...transformer, num_layers: 1e9 }, 'num_layers'],
      [TransformerConfig, { ...transformer, num_attention_heads: 1e12 }, 'num_attention_heads'],
      [TransformerConfig, { ...transformer, patch_size: 1e5 }, 'patch_size'],
      [AutoencoderConfig, { layers_per_block: 1e9 }, 'layers_per_block'],
      [AutoencoderConfig, { block_out_channels: new Array(60).fill(32) }, 'block_out_channels'],
      [AutoencoderConfig, { latent_channels: 2 ** 50 }, 'latent_channels'],
      [T5Config, { num_layers: 1e7 }, 'num_layers'],
      [T5Config, { vocab_size: 1e15 }, 'vocab_size'],
      [DepthAnythingConfig, { fusion_hidden_size: 1e12 }, 'fusion_hidden_size'],
      [PipelineSettings, { numInferenceSteps: 1e9 }, 'numInferenceSteps'],
      [PipelineSettings, { numFrames: 4e9 + 1 }, 'numFrames'],
    ];
    for (const [schema, config, key] of wrong) {
      assert.throws(() => checkConfig(schema, config, 'config.json'), {
        name: 'InputError',
        message: new RegExp(`^config\\.json: .*${key}: must (be|have) at most \\d+`),
      });
    }
  });

  test('scales of a LoRA', () => {
    assert.throws(() => lorasOf(['a.safetensors:1e30']), {
      message: /--lora a\.safetensors:1e30: the scale must be from -1000 to 1000, got 1e30$/,
    });
    assert.throws(() => lorasOf(['a.safetensors:Infinity']), InputError);
    assert.deepEqual(lorasOf(['a.safetensors:-2']), [{ path: 'a.safetensors', scale: -2 }]);
  });
});

describe('seeds of 64 bits', () => {
  test('are read, drawn from, stored and named digit by digit', async () => {
    const folder = at('seeds');
    const words = ['t2i', '-p', 'a red cube', '--seed', '18446744073709551614', '--samples', '3'];
    assert.equal((await generate(...words, '-o', folder)).exitCode, 0);
    const names = readdirSync(folder).sort();
    const seeds = ['0', '18446744073709551614', '18446744073709551615'];
    const stem = '0001-a-red-cube';
    assert.deepEqual(
      names,
      seeds.flatMap((seed) => [`${stem}-${seed}.png`, `${stem}-${seed}.png.json`]).sort(),
    );
    const stored = readFileSync(at(`seeds/${stem}-${seeds[2]}.png.json`), 'utf8');
    assert.equal(JSON.parse(stored).seed, '18446744073709551615');
    const again = await generate(...words, '-o', folder);
    assert.match(again.stderr, /3 of 3 existed already/);
  });

  test('in lists too, also where JSON would round them', () => {
    const list = at('list.jsonl');
    const seed = '9007199254740993';
    writeFileSync(
      list,
      `{"prompt":"say \\"seed\\": ${seed}, so","seed": ${seed}}\n{"prompt":"b","seed":"${seed}"}\n`,
    );
    assert.deepEqual(
      readJobs(list).map(({ words }) => words),
      [
        ['--prompt', `say "seed": ${seed}, so`, '--seed', seed],
        ['--prompt', 'b', '--seed', seed],
      ],
    );
    assert.equal(parse('--seed', seed).seed, 9007199254740993n);
  });

  test('-1 is a new one, but not in a list, which could not go on; others are refused', async () => {
    const seedOf = async () => {
      const { stderr } = await generate('t2i', '-p', 'a', '--seed', '-1', '-o', at('new.png'));
      return /seed (\d+)/.exec(stderr)![1];
    };
    assert.notEqual(await seedOf(), await seedOf());
    writeFileSync(at('list.txt'), 'a red cube\n');
    const words = ['t2i', '--batch', at('list.txt'), '--seed', '-1', '-o', at('none')];
    const { exitCode, message } = await generate(...words);
    assert.equal(exitCode, 2);
    assert.match(message, /list\.txt:1: --seed -1 draws a random seed each time/);
    assert.equal(existsSync(at('none')), false);
    for (const text of ['-2', '18446744073709551616', '1.5', 'x']) {
      assert.throws(() => parse('--seed', text), {
        message:
          /--seed: must be a whole number from 0 to 18446744073709551615, or -1 for a random one/,
      });
    }
  });
});

describe('a prompt that is longer than what is read', () => {
  const long = `${'a red cube '.repeat(14)}a cube`;
  // the tag of a task is spelt, as the vocabulary is tiny
  before(() => {
    const path = at('tiny/model_index.json');
    const index = JSON.parse(readFileSync(path, 'utf8'));
    index._mfm.promptLength = 41;
    writeFileSync(path, JSON.stringify(index));
  });

  test('is told with what is left out, once for each result', async () => {
    const said = async (...words: string[]) =>
      (await generate('t2i', ...words, '-o', at('long'))).stderr.match(/^the .* are read.*$/gm);
    writeFileSync(at('two.txt'), `${long}\na red cube\n${long} red\n`);
    const lines = await said('--batch', at('two.txt'), '--guidance', '2');
    assert.deepEqual(lines?.length, 2);
    assert.match(
      lines![0]!,
      /^the prompt has \d+ tokens with its task's tag, 40 are read; left out: ".*cube #task: text-to-image"$/,
    );
  });

  test('the negative prompt, where it is read at all', async () => {
    const words = ['t2i', '-p', 'red', '--negative-prompt', `${'red '.repeat(45)}`];
    const told = async (guidance: string) =>
      (await generate(...words, '--guidance', guidance, '-o', at('n.png'))).stderr;
    assert.match(
      await told('2'),
      /the negative prompt has 45 tokens, 40 are read; left out: "(red ?){5}"/,
    );
    assert.doesNotMatch(await told('1'), /are read/);
  });
});
