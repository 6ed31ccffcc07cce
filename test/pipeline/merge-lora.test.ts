import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { type LoraUse, openPipeline } from '../../src/pipeline/index.js';
import { mergeLoras } from '../../src/pipeline/merge-lora.js';
import { conditionOf, NOTHING, TASKS } from '../../src/tasks/index.js';
import { type DType, openSafetensors, saveSafetensors, tidy } from '../../src/tensor/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { saveTinyLora } from './tiny-lora.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-merge-'));
after(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);
const WEIGHTS = 'transformer/diffusion_pytorch_model.safetensors';

before(() => {
  saveTinyPipeline(at('tiny'));
  saveTinyLora(at('one'), { pipeline: at('tiny') });
  saveTinyLora(at('two'), { pipeline: at('tiny'), seed: 2, layout: 'peft' });
});

interface Sampling {
  loras?: LoraUse[];
  dtype?: DType;
  oneAtATime?: boolean;
  times?: number;
}

async function sample(folder: string, options: Sampling = {}): Promise<Float32Array[]> {
  const { loras, dtype = 'float32', oneAtATime = false, times = 1 } = options;
  const pipeline = openPipeline(folder, { dtype, loras, oneAtATime });
  const target = { width: 32, height: 32, numFrames: 1 };
  const results: Float32Array[] = [];
  for (let i = 0; i < times; i++) {
    const made = await pipeline.sample({
      task: TASKS.t2i,
      prompts: ['a red cube'],
      target,
      seed: 0,
      conditions: [conditionOf(NOTHING, target)],
      numInferenceSteps: 2,
      guidanceScale: 2,
      motionScore: 1,
    });
    results.push(made.toFloat32Array());
    made.dispose();
  }
  pipeline.dispose();
  return results;
}

const distance = ([a]: Float32Array[], [b]: Float32Array[]) =>
  a!.reduce((most, value, i) => Math.max(most, Math.abs(value - b![i]!)), 0);
const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const both = () => [
  { path: at('one'), scale: 0.7 },
  { path: at('two'), scale: -0.5 },
];

describe('openPipeline with LoRA', () => {
  test('changes what is made, as much as is asked for, and no file', async () => {
    const before = hash(at(`tiny/${WEIGHTS}`));
    const plain = await sample(at('tiny'));
    const [small, large] = [0.01, 1].map((scale) => [{ path: at('one'), scale }]);
    const [little, much] = [
      distance(await sample(at('tiny'), { loras: small }), plain),
      distance(await sample(at('tiny'), { loras: large }), plain),
    ];
    assert.ok(little > 1e-7 && much > 10 * little, `${little}, ${much}`);
    const none = await sample(at('tiny'), { loras: [{ path: at('one'), scale: 0 }] });
    assert.equal(distance(none, plain), 0);
    assert.equal(hash(at(`tiny/${WEIGHTS}`)), before);
  });

  test('one network at a time gives the same, again and again', async () => {
    for (const dtype of ['float32', 'bfloat16'] as const) {
      const [expected] = await sample(at('tiny'), { loras: both(), dtype });
      const apart = await sample(at('tiny'), { loras: both(), dtype, oneAtATime: true, times: 2 });
      assert.deepEqual(apart, [expected, expected]);
    }
  });

  test('a LoRA of another network is refused as it is opened', () => {
    const file = at('other.safetensors');
    tidy(() => {
      const open = openSafetensors(at('one/pytorch_lora_weights.safetensors'));
      const tensors = open
        .keys()
        .map((key) => [key.replace('blocks.0', 'blocks.9'), open.get(key)]);
      saveSafetensors(file, Object.fromEntries(tensors));
      open.close();
    });
    assert.throws(() => openPipeline(at('tiny'), { loras: [{ path: file, scale: 1 }] }), {
      name: InputError.name,
      message: /other\.safetensors: is not a LoRA for this network: unknown 20 tensors \(.*…\)$/,
    });
  });
});

describe('mergeLoras', () => {
  test('the new pipeline makes what the old one makes with them', async () => {
    const report = await mergeLoras(at('tiny'), both(), at('merged'));
    assert.deepEqual(report, { weights: 10, files: 9 });
    assert.deepEqual(readdirSync(at('merged')).sort(), readdirSync(at('tiny')).sort());
    assert.deepEqual(await sample(at('merged')), await sample(at('tiny'), { loras: both() }));
    const [from, to] = ['tiny', 'merged'].map((name) => statSync(at(`${name}/vae`)));
    assert.notEqual(from!.ino, to!.ino);
    const vae = 'vae/diffusion_pytorch_model.safetensors';
    assert.equal(statSync(at(`tiny/${vae}`)).ino, statSync(at(`merged/${vae}`)).ino, 'one copy');
    const index = 'model_index.json';
    assert.notEqual(statSync(at(`tiny/${index}`)).ino, statSync(at(`merged/${index}`)).ino);
  });

  test('shards, links to files elsewhere and bfloat16 are kept as they are', async () => {
    const source = at('sharded');
    cpSync(at('tiny'), source, { recursive: true });
    tidy(() => {
      const file = openSafetensors(at(`tiny/${WEIGHTS}`));
      const map: Record<string, string> = {};
      const isBlock = (key: string) => key.startsWith('transformer_blocks');
      for (const [i, belongs] of [isBlock, (key: string) => !isBlock(key)].entries()) {
        const name = `diffusion_pytorch_model-0000${i + 1}-of-00002.safetensors`;
        const keys = file.keys().filter(belongs);
        const tensors = keys.map((key) => [key, file.get(key).to('bfloat16')] as const);
        mkdirSync(at('blobs'), { recursive: true });
        saveSafetensors(at(`blobs/${i}`), new Map(tensors), { format: 'pt' });
        symlinkSync(`../../blobs/${i}`, join(source, 'transformer', name));
        for (const key of keys) map[key] = name;
      }
      file.close();
      rmSync(join(source, WEIGHTS));
      writeFileSync(join(source, `${WEIGHTS}.index.json`), JSON.stringify({ weight_map: map }));
    });
    mkdirSync(join(source, '.git'));
    writeFileSync(join(source, '.git', 'large'), '');
    await mergeLoras(source, both(), at('merged-shards'));
    const shard = (folder: string, i: number) =>
      at(`${folder}/transformer/diffusion_pytorch_model-0000${i}-of-00002.safetensors`);
    assert.equal(hash(shard('merged-shards', 2)), hash(shard('sharded', 2)), 'nothing to change');
    const [was, is] = ['sharded', 'merged-shards'].map((folder) => {
      const file = openSafetensors(shard(folder, 1));
      const keys = file.keys().map((key) => [key, file.info(key)]);
      const { metadata } = file;
      file.close();
      return { keys, metadata };
    });
    assert.deepEqual(is, was);
    assert.ok(!existsSync(at('merged-shards/.git')), 'no hidden files');
    const made = await sample(at('merged-shards'), { dtype: 'bfloat16' });
    const wanted = await sample(source, { dtype: 'bfloat16', loras: both() });
    assert.deepEqual(made, wanted);
  });

  test('what cannot be is refused, and nothing is left', async () => {
    const cases: [string, LoraUse[], string, RegExp][] = [
      ['tiny', both(), 'tiny', /is inside the pipeline that is merged; name another/],
      ['tiny', both(), 'tiny/new', /is inside the pipeline that is merged/],
      ['tiny', both(), 'one', /one: already exists; name another folder, or delete it$/],
      ['one', both(), 'new', /is not a pipeline folder \(no model_index\.json\)/],
      [
        'tiny',
        [{ path: at('none'), scale: 1 }],
        'new',
        /none: no such LoRA file or folder; give one/,
      ],
    ];
    const before = readdirSync(root).sort();
    for (const [source, loras, target, message] of cases) {
      await assert.rejects(mergeLoras(at(source), loras, at(target)), {
        name: InputError.name,
        message,
      });
    }
    const signal = AbortSignal.abort();
    await assert.rejects(mergeLoras(at('tiny'), both(), at('new'), { signal }), {
      name: 'AbortError',
    });
    assert.deepEqual(readdirSync(root).sort(), before);
  });
});
