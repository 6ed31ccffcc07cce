import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { args, run } from '../../../src/cli/commands/lora.js';
import { lorasOf } from '../../../src/cli/options/lora.js';
import { parseArgs } from '../../../src/cli/terminal/args.js';
import { fromRoot } from '../../../src/files/package-root.js';
import { readImage } from '../../../src/media/index.js';
import { readLora } from '../../../src/nn/index.js';
import { saveTinyLora } from '../../pipeline/tiny-lora.js';
import { quietly } from '../quietly.js';
import { workplace } from './generate/generating.js';

const { at, generate } = workplace('lora');
const fixtures = fromRoot('test/nn/fixtures/lora/');
const lora = (...words: string[]) =>
  quietly(async () => run(parseArgs('mfm lora', args, words) as never));

async function refuses(words: string[], message: RegExp): Promise<void> {
  const got = await lora(...words);
  assert.equal(got.exitCode, 2, got.message);
  assert.match(got.message, message);
  assert.doesNotMatch(got.message, /\n/);
}

before(() => {
  saveTinyLora(at('style'), { pipeline: at('tiny') });
});

describe('mfm generate --lora', () => {
  const t2i = ['t2i', '-p', 'a red cube', '--dtype', 'float32'];
  const pixels = async (name: string, ...words: string[]) => {
    const got = await generate(...t2i, ...words, '-o', at(name));
    assert.equal(got.exitCode, 0, got.message);
    return (await readImage(at(name))).data;
  };

  test('changes the result; :SCALE says how much', async () => {
    const plain = await pixels('plain.png');
    const styled = await pixels('styled.png', '--lora', at('style'));
    assert.notDeepEqual(styled, plain);
    assert.deepEqual(await pixels('zero.png', '--lora', `${at('style')}:0`), plain);
    const halves = ['--lora', `${at('style')}:0.5`, '--lora', `${at('style')}:0.5`];
    const twice = await pixels('halves.png', ...halves);
    const most = Math.max(...twice.map((value, i) => Math.abs(value - styled[i]!)));
    assert.ok(most <= 1, `two halves are one: ${most}`);
  });

  test('the recipe names it, and a batch makes again what another one made', async () => {
    writeFileSync(at('prompts.txt'), 'a cube\n');
    const batch = (...words: string[]) =>
      generate('t2i', '--batch', at('prompts.txt'), '-o', at('many'), ...words);
    const isNew = async (...words: string[]) => (await batch(...words)).stdout !== '';
    saveTinyLora(at('more'), { pipeline: at('tiny') });
    assert.ok(await isNew('--lora', at('more')), 'first');
    const recipe = JSON.parse(readFileSync(at('many/0001-a-cube.png.json'), 'utf8'));
    const [{ path, scale, sha256 }] = recipe.loras;
    assert.deepEqual([path, scale], [at('more'), 1]);
    assert.match(sha256, /^[0-9a-f]{64}$/);
    assert.ok(!(await isNew('--lora', at('more'))), 'the same');
    assert.ok(await isNew('--lora', `${at('more')}:0.5`), 'another scale');
    assert.ok(await isNew(), 'none');
    assert.ok(!(await isNew()), 'none again');
    assert.ok(await isNew('--lora', at('more')), 'first again');
    saveTinyLora(at('more'), { pipeline: at('tiny'), seed: 2 });
    assert.ok(await isNew('--lora', at('more')), 'trained further');
  });

  test('refuses files that are not a LoRA for it in one sentence', async () => {
    const cases: [string, RegExp][] = [
      [
        at('nothing'),
        /nothing: no such LoRA file or folder; give one as `\.\/mfm train` writes it$/,
      ],
      [`${at('style')}:much`, /^--lora .*:much: must be FILE or FILE:SCALE with a number.*"much"$/],
      [`${at('style')}:`, /must be FILE or FILE:SCALE with a number.*got ""$/],
      [join(fixtures, 'peft'), /is not a LoRA for this network: unknown 8 tensors \(/],
    ];
    for (const [word, message] of cases) {
      const got = await generate(...t2i, '--lora', word, '-o', at('refused.png'));
      assert.equal(got.exitCode, 2);
      assert.match(got.message, message);
      assert.ok(!existsSync(at('refused.png')), 'nothing is written');
    }
  });

  test('a file whose name has a colon is the file', () => {
    const name = at('a:2');
    writeFileSync(name, '');
    assert.deepEqual(lorasOf([name, `${name}:0.5`, 'b:-1e-1']), [
      { path: name, scale: 1 },
      { path: name, scale: 0.5 },
      { path: 'b', scale: -0.1 },
    ]);
  });
});

describe('mfm lora', () => {
  test('merge writes a pipeline that makes what --lora makes', async () => {
    const got = await lora('merge', at('tiny'), '--lora', `${at('style')}:0.8`, '-o', at('merged'));
    assert.equal(got.exitCode, 0, got.message);
    assert.equal(got.stdout, `${at('merged')}\n`);
    assert.match(got.stderr, /^10 weights of the transformer changed, 9 files unchanged\n$/);
    const words = ['t2i', '-p', 'a cube', '--dtype', 'float32'];
    await generate(...words, '--pipeline', at('merged'), '-o', at('a.png'));
    await generate(...words, '--lora', `${at('style')}:0.8`, '-o', at('b.png'));
    assert.deepEqual((await readImage(at('a.png'))).data, (await readImage(at('b.png'))).data);
  });

  test('export changes the layout, and takes the scale into alpha', async () => {
    const words = ['export', '--lora', `${at('style')}:0.5`, '--layout', 'peft', '-o', at('peft')];
    const got = await lora(...words, '--dtype', 'bfloat16');
    assert.equal(got.stdout, `${at('peft/adapter_model.safetensors')}\n`, got.message);
    const [before, after] = [readLora(at('style')), readLora(at('peft'))];
    assert.deepEqual([after.layout, after.dtype], ['peft', 'bfloat16']);
    for (const [name, { alpha }] of before.weights) {
      assert.equal(after.weights.get(name)!.alpha, alpha / 2);
    }
  });

  test('info tells rank, alpha, targets, parameters and keys', async () => {
    const { stdout } = await lora('info', join(fixtures, 'peft'));
    assert.match(stdout, /^file +.*adapter_model\.safetensors, peft layout, float32$/m);
    assert.match(stdout, /^rank +2, 3$/m);
    assert.match(stdout, /^alpha +1\.5, 6$/m);
    // 2 (6 + 4) twice, 2 (4 + 6), 3 (4 + 6)
    assert.match(stdout, /^parameters +90$/m);
    assert.match(
      stdout,
      /^keys +8, as base_model\.model\.blocks\.0\.attn1\.q_proj\.lora_A\.weight$/m,
    );
    assert.match(stdout, /^ {2}2 x blocks\.\*\.attn1\.q_proj {2}6 to 4, rank 2, alpha 6$/m);
    const json = JSON.parse((await lora('info', at('style'), '--json')).stdout);
    assert.equal(json.keys.length, 20);
    assert.equal(json.layers.length, 10);
    assert.deepEqual([json.layout, json.layers[0].rank, json.layers[0].alpha], ['diffusers', 4, 8]);
  });

  test('refuses wrong words in one sentence', async () => {
    const style = ['--lora', at('style')];
    await refuses(['info'], /^mfm lora info: the LoRA is missing/);
    await refuses(
      ['info', at('style'), '-o', 'x'],
      /^mfm lora info: takes no --output; leave it out$/,
    );
    await refuses(['info', at('tiny')], /tiny: must contain pytorch_lora_weights/);
    await refuses(['merge', ...style, '-o', at('x')], /^mfm lora merge: the pipeline is missing/);
    await refuses(['merge', at('tiny'), '-o', at('x')], /^mfm lora merge: --lora is missing/);
    await refuses(['merge', at('tiny'), ...style], /^mfm lora merge: --output is missing/);
    await refuses(['merge', at('tiny'), ...style, '-o', at('style')], /already exists/);
    await refuses(['export', '-o', at('x')], /^mfm lora export: takes one --lora, got 0$/);
    await refuses(['export', ...style, ...style, '-o', at('x')], /takes one --lora, got 2$/);
    await refuses(
      ['export', at('style'), '-o', at('x')],
      /is one word too many; name it with --lora$/,
    );
    await refuses(['export', ...style], /^mfm lora export: --output is missing/);
    await refuses(['export', ...style, '-o', at('style')], /is the LoRA itself, which the result/);
    await refuses(['export', ...style, '-o', at('x.safetensors')], /leave out \.safetensors$/);
    await refuses(
      ['export', ...style, '--layout', 'peft', '-o', at('peft')],
      /exists already; name another folder$/,
    );
    assert.ok(!existsSync(at('x')), 'nothing is written');
  });
});
