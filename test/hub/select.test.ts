import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { glob, selectFiles } from '../../src/hub/select.js';

const chosen = (names: string[], include: string[] = [], exclude: string[] = []) =>
  selectFiles(names, { include, exclude }).chosen;

describe('selectFiles', () => {
  test('leaves other forms and precisions of the same weights', () => {
    const sharded = [
      'transformer/config.json',
      'transformer/diffusion_pytorch_model-00001-of-00002.safetensors',
      'transformer/diffusion_pytorch_model-00002-of-00002.safetensors',
      'transformer/diffusion_pytorch_model.safetensors.index.json',
    ];
    const others = [
      'transformer/diffusion_pytorch_model-00001-of-00002.bin',
      'transformer/diffusion_pytorch_model.fp16-00001-of-00002.safetensors',
      'transformer/diffusion_pytorch_model.safetensors.index.fp16.json',
      'transformer/flax_model.msgpack',
      'transformer/model.onnx',
    ];
    assert.deepEqual(chosen([...sharded, ...others]), sharded);
  });

  test('keeps weights that have no other form', () => {
    const names = ['config.json', 'pytorch_model.bin', 'vae/model.fp16.safetensors'];
    assert.deepEqual(chosen(names), names);
  });

  test('takes all of a depth model but its pictures', () => {
    const needed = ['README.md', 'config.json', 'model.safetensors', 'preprocessor_config.json'];
    assert.deepEqual(chosen(['.gitattributes', 'assets/teaser.png', ...needed]), needed);
  });

  test('include replaces the default choice, exclude narrows either', () => {
    const names = ['a.bin', 'a.safetensors', 'vae/config.json', 'x.mp4'];
    assert.deepEqual(chosen(names, ['*']), names);
    assert.deepEqual(chosen(names, ['*.json', 'x.*']), ['vae/config.json', 'x.mp4']);
    assert.deepEqual(chosen(names, ['*'], ['*.mp4', 'vae/']), ['a.bin', 'a.safetensors']);
    assert.deepEqual(chosen(names, [], ['vae/*']), ['a.safetensors']);
  });
});

describe('glob', () => {
  test('matches as fnmatch does', () => {
    const cases: [string, string, boolean][] = [
      ['*.json', 'vae/config.json', true],
      ['vae/*', 'vae/a/b', true],
      ['config.json', 'vae/config.json', false],
      ['a?c', 'abc', true],
      ['a.c', 'abc', false],
      ['model-0000[12]*', 'model-00002-of-2', true],
      ['model-0000[!12]*', 'model-00002-of-2', false],
      ['[a-c]x', 'bx', true],
      ['[^a]', '^', true],
      ['a[', 'a[', true],
      ['[]]', ']', true],
      ['(a|b)+{1}', '(a|b)+{1}', true],
    ];
    for (const [pattern, name, expected] of cases) {
      assert.equal(glob(pattern).test(name), expected, `${pattern} ${name}`);
    }
  });

  test('refuses what means nothing', () => {
    assert.throws(() => glob('[z-a]'), /^InputError: \[z-a\]: is not a glob like/);
  });
});
