import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { InputError, MfmError } from '../../src/errors.js';
import { expectSoundWeights } from '../../src/nn/index.js';
import { openPipeline, type Pipeline } from '../../src/pipeline/index.js';
import { mergeLoras } from '../../src/pipeline/merge-lora.js';
import { conditionOf, NOTHING, TASKS } from '../../src/tasks/index.js';
import {
  memoryInfo,
  openSafetensors,
  type Storable,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../../src/tensor/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { saveTinyLora } from './tiny-lora.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-broken-'));
after(() => rmSync(root, { recursive: true, force: true }));
const tiny = join(root, 'tiny');
before(() => saveTinyPipeline(tiny));

const TRANSFORMER = 'transformer/diffusion_pytorch_model.safetensors';
const Q_PROJ = 'transformer_blocks.0.attn1.q_proj.weight';
const target = { width: 32, height: 32, numFrames: 1 };

async function sample(pipeline: Pipeline): Promise<void> {
  const condition = conditionOf(NOTHING, target);
  try {
    const made = await pipeline.sample({
      task: TASKS.t2i,
      prompts: ['a red cube'],
      conditions: [condition],
      target,
      numInferenceSteps: 2,
      guidanceScale: 2,
      motionScore: 1,
      seed: 0,
    });
    made.dispose();
  } finally {
    for (const part of Object.values(condition)) part.dispose();
  }
}

/** A copy of the pipeline in which one value of a tensor is another. */
function withValue(name: string, file: string, key: string, value: number): string {
  const folder = join(root, name);
  cpSync(tiny, folder, { recursive: true });
  change(join(folder, file), (tensors) => {
    const changed = tensors.get(key)!.clone();
    changed.view([-1]).narrow(0, 3, 1).fill_(value);
    tensors.set(key, changed);
  });
  return folder;
}

function change(path: string, edit: (tensors: Map<string, Tensor>) => void, to = path): void {
  const file = openSafetensors(path);
  const tensors = new Map(file.keys().map((key) => [key, file.get(key)]));
  tidy(() => {
    edit(tensors);
    saveSafetensors(to, tensors as ReadonlyMap<string, Storable>);
  });
  for (const tensor of tensors.values()) tensor.dispose();
  file.close();
}

const refusal = (message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof MfmError, String(error));
  assert.match(error.message, message);
  assert.doesNotMatch(error.message, /\n/);
  return true;
};

describe('weights that are no numbers end with a sentence that names file and tensor', () => {
  const broken: [string, string, string, number, string][] = [
    ['transformer', TRANSFORMER, Q_PROJ, Number.NaN, 'NaN'],
    ['infinite', TRANSFORMER, Q_PROJ, Number.POSITIVE_INFINITY, 'infinite values'],
    [
      'autoencoder',
      'vae/diffusion_pytorch_model.safetensors',
      'decoder.conv_in.conv.weight',
      Number.NaN,
      'NaN',
    ],
    [
      'text-encoder',
      'text_encoder/model.safetensors',
      'encoder.block.0.layer.0.SelfAttention.v.weight',
      Number.NaN,
      'NaN',
    ],
  ];
  for (const [name, file, key, value, what] of broken) {
    test(name, async () => {
      const folder = withValue(name, file, key, value);
      const { tensors } = memoryInfo();
      for (const oneAtATime of [false, true]) {
        const pipeline = openPipeline(folder, { dtype: 'float32', oneAtATime });
        const pattern = `^${join(folder, file)}: ${key} holds ${what}; the file is damaged, or`;
        await assert.rejects(sample(pipeline), refusal(new RegExp(pattern)));
        pipeline.dispose();
      }
      assert.equal(memoryInfo().tensors, tensors);
    });
  }

  test('of shards it names the shard; training looks before it begins', async () => {
    const folder = withValue('sharded', TRANSFORMER, Q_PROJ, Number.NaN);
    const at = (name: string) => join(folder, 'transformer', name);
    const [first, second] = ['a', 'b'].map((name) => `model-${name}.safetensors`);
    const map: Record<string, string> = {};
    for (const [own, name] of [
      [false, first!],
      [true, second!],
    ] as const) {
      change(
        join(folder, TRANSFORMER),
        (tensors) => {
          for (const key of [...tensors.keys()]) {
            if ((key === Q_PROJ) === own) map[key] = name;
            else tensors.delete(key);
          }
        },
        at(name),
      );
    }
    rmSync(join(folder, TRANSFORMER));
    const index = at('diffusion_pytorch_model.safetensors.index.json');
    writeFileSync(index, JSON.stringify({ weight_map: map }));
    const named = refusal(new RegExp(`^${at(second!)}: ${Q_PROJ} holds NaN; `));
    const pipeline = openPipeline(folder, { dtype: 'float32' });
    await assert.rejects(sample(pipeline), named);
    pipeline.dispose();
    assert.throws(
      () => expectSoundWeights(join(folder, 'transformer'), 'diffusion_pytorch_model'),
      named,
    );
  });

  test('a weight that is finite but too large ends at the step that it overflows in', async () => {
    const folder = withValue('overflow', TRANSFORMER, 'proj_out_2.weight', 3e38);
    const pipeline = openPipeline(folder, { dtype: 'float32' });
    await assert.rejects(
      sample(pipeline),
      refusal(/^step [12] of 2: the latents left the range of float32, though all stored weights/),
    );
    pipeline.dispose();
  });

  test('a LoRA: at once, or where its scale is absurd', async () => {
    const folder = join(root, 'lora');
    saveTinyLora(folder, { pipeline: tiny });
    const path = join(folder, 'pytorch_lora_weights.safetensors');
    const use = (scale: number) => {
      const pipeline = openPipeline(tiny, { dtype: 'float32', loras: [{ path, scale }] });
      return sample(pipeline).finally(() => pipeline.dispose());
    };
    await use(1);
    await assert.rejects(
      use(1e39),
      refusal(/^`loras`: adding it takes .*weight out of the range of float32/),
    );
    change(path, (tensors) => {
      for (const value of tensors.values()) value.fill_(Number.NaN);
    });
    const named = refusal(/^.*pytorch_lora_weights\.safetensors: .*lora_A\.weight holds NaN; /);
    assert.throws(() => openPipeline(tiny, { loras: [{ path, scale: 1 }] }), named);
    await assert.rejects(mergeLoras(tiny, [{ path, scale: 1 }], join(root, 'merged')), named);
  });

  test('merging into a weight that is no number', async () => {
    const folder = join(root, 'sound-lora');
    saveTinyLora(folder, { pipeline: tiny });
    const source = withValue('to-merge', TRANSFORMER, Q_PROJ, Number.NaN);
    await assert.rejects(
      mergeLoras(source, [{ path: folder, scale: 1 }], join(root, 'merged')),
      refusal(new RegExp(`${TRANSFORMER}: ${Q_PROJ} holds NaN; `)),
    );
  });
});

describe('an index of shards', () => {
  const place = (name: string, index: unknown): string => {
    const folder = join(root, `index-${name}`);
    cpSync(tiny, folder, { recursive: true });
    rmSync(join(folder, TRANSFORMER));
    const text = typeof index === 'string' ? index : JSON.stringify(index);
    writeFileSync(join(folder, `${TRANSFORMER}.index.json`), text);
    return folder;
  };
  const outside = '/elsewhere/x.safetensors';
  const wrong: [string, unknown, RegExp][] = [
    ['null', null, /index\.json: must be a JSON object, got null$/],
    ['list', [1], /index\.json: must be a JSON object, got a list$/],
    ['number', 3, /index\.json: must be a JSON object, got a number$/],
    ['text', '"x"', /index\.json: must be a JSON object, got text$/],
    ['none', {}, /must have a "weight_map" from tensors to files, got null$/],
    ['map', { weight_map: ['a'] }, /must have a "weight_map" from tensors to files, got a list$/],
    [
      'numbers',
      { weight_map: { a: 3 } },
      /must name \.safetensors files in the same folder, got 3$/,
    ],
    ['up', { weight_map: { a: '../tiny/x.safetensors' } }, /in the same folder, got "\.\.\/tiny/],
    ['absolute', { weight_map: { a: outside } }, /in the same folder, got "\/elsewhere/],
    [
      'long',
      { weight_map: { a: `${'x'.repeat(5000)}.safetensors` } },
      /in the same folder, got "x{199}…$/,
    ],
    ['nul', { weight_map: { a: 'a\0.safetensors' } }, /in the same folder, got "a\\u0000/],
    ['deep', `${'['.repeat(60_000)}${']'.repeat(60_000)}`, /must be JSON \(it is nested more than/],
    ['pickle', { weight_map: { a: 'model.bin' } }, /must name \.safetensors files/],
  ];
  for (const [name, index, message] of wrong) {
    test(`is refused: ${name}`, () => {
      const folder = place(name, index);
      assert.throws(() => openPipeline(folder), refusal(message));
      assert.throws(() => openPipeline(folder), InputError);
    });
  }

  test('may name links, as a snapshot of the hub has them; a tensor comes once', async () => {
    const folder = place('links', { weight_map: { a: 'one.safetensors' } });
    mkdirSync(join(root, 'blobs'));
    cpSync(join(tiny, TRANSFORMER), join(root, 'blobs', 'abc'));
    symlinkSync(join(root, 'blobs', 'abc'), join(folder, 'transformer', 'one.safetensors'));
    openPipeline(folder).dispose();
    const twice = place('twice', { weight_map: { a: 'one.safetensors', b: 'two.safetensors' } });
    for (const name of ['one', 'two']) {
      cpSync(join(tiny, TRANSFORMER), join(twice, 'transformer', `${name}.safetensors`));
    }
    assert.throws(
      () => openPipeline(twice),
      refusal(/two\.safetensors: has .*, which .*one\.safet.* has too/),
    );
  });

  test('weights of another kind in the folder are named', () => {
    const folder = place('other', {});
    rmSync(join(folder, `${TRANSFORMER}.index.json`));
    writeFileSync(join(folder, 'transformer', 'diffusion_pytorch_model.bin'), 'x');
    assert.throws(
      () => openPipeline(folder),
      refusal(/no such file; diffusion_pytorch_model\.bin is in an unsupported format/),
    );
  });
});
