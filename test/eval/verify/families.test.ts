import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError } from '../../../src/errors.js';
import { familiesOf } from '../../../src/eval/verify/families.js';

/** Runs `check` on a folder of files with these contents; an object is written as JSON. */
function withFolder(files: Record<string, string | object>, check: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'families-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      const text = typeof content === 'string' ? content : JSON.stringify(content);
      writeFileSync(join(folder, name), text);
    }
    check(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const names = (folder: string) => familiesOf(folder).map(({ name }) => name);

test('families are told by their side-cars, which name their data', () => {
  const transformer = {
    'README.md': '',
    'tx_q.json': { files: { weights: 'q.safetensors' } },
    'q.safetensors': '',
  };
  withFolder(transformer, (folder) => assert.deepEqual(names(folder), ['transformer']));
  const training = { 'train_z.json': {}, 'train_z_initial.safetensors': '' };
  withFolder({ ...transformer, ...training }, (folder) =>
    assert.deepEqual(names(folder), ['transformer', 'training']),
  );
  const autoencoder = {
    'config.json': { _class_name: 'AutoencoderKLCogVideoX' },
    'weights.safetensors': '',
    'encode_t1.json': { kind: 'encode', file: 'encode_t1.safetensors' },
    'encode_t1.safetensors': '',
  };
  withFolder(autoencoder, (folder) => assert.deepEqual(names(folder), ['vae']));
  const t5 = {
    'm_config.json': {},
    'm_weights.safetensors': '',
    'm_x.json': { kind: 'k', file: 'f' },
  };
  withFolder(t5, (folder) => assert.deepEqual(names(folder), ['t5']));
  const depth = {
    'm_config.json': { model_type: 'depth_anything' },
    'm_weights.safetensors': '',
    'sizes.json': { kind: 'depth_preprocess_sizes', file: 'sizes.safetensors' },
    'sizes.safetensors': '',
  };
  withFolder(depth, (folder) => assert.deepEqual(names(folder), ['depth']));
});

test('a file that nobody reads is an error that names it', () => {
  withFolder({ 'rope.json': {}, 'stray.safetensors': '' }, (folder) =>
    assert.throws(() => familiesOf(folder), /stray\.safetensors/),
  );
});

test('a folder without fixtures, a damaged side-car and no folder are refused', () => {
  withFolder({ 'README.md': '' }, (folder) => assert.throws(() => familiesOf(folder), /got none/));
  withFolder({ 'rope.json': '{' }, (folder) => assert.throws(() => familiesOf(folder), InputError));
  assert.throws(() => familiesOf('/no/such/folder'), InputError);
});
