import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { openPipeline, type Pipeline, savePipeline } from '../../src/pipeline/index.js';
import { conditionOf, NOTHING, TASKS } from '../../src/tasks/index.js';
import {
  memoryInfo,
  noGrad,
  ones,
  openSafetensors,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../../src/tensor/index.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-pipeline-'));
after(() => rmSync(root, { recursive: true, force: true }));
const tiny = join(root, 'tiny');
const WEIGHTS = 'transformer/diffusion_pytorch_model.safetensors';
const target = { width: 32, height: 32, numFrames: 5 };

before(() => saveTinyPipeline(tiny));

async function sample(
  pipeline: Pipeline,
  prompts = ['a red cube'],
  seed = 0,
): Promise<Float32Array> {
  const conditions = prompts.map(() => conditionOf(NOTHING, target));
  const made = await pipeline.sample({
    task: TASKS.t2v,
    prompts,
    conditions,
    target,
    numInferenceSteps: 2,
    guidanceScale: 2,
    motionScore: 1,
    seed,
  });
  const values = made.toFloat32Array();
  for (const tensor of [made, ...conditions.flatMap((parts) => Object.values(parts))]) {
    tensor.dispose();
  }
  return values;
}

describe('savePipeline and openPipeline', () => {
  test('save, open, same sample', async () => {
    const first = openPipeline(tiny, { dtype: 'float32' });
    const again = join(root, 'again');
    const tokenizer = {
      tokenizer: JSON.parse(readFileSync(join(tiny, 'tokenizer/tokenizer.json'), 'utf8')),
      config: JSON.parse(readFileSync(join(tiny, 'tokenizer/tokenizer_config.json'), 'utf8')),
    };
    const { tensors } = memoryInfo();
    savePipeline(again, first, tokenizer, 'bfloat16');
    savePipeline(again, first, tokenizer, 'float32');
    assert.equal(memoryInfo().tensors, tensors);
    const second = openPipeline(again, { dtype: 'float32' });
    assert.deepEqual(second.settings, first.settings);
    assert.deepEqual(await sample(second), await sample(first));
    for (const pipeline of [first, second]) pipeline.dispose();
  });

  test('one network at a time gives the same sample, again and again', async () => {
    const together = openPipeline(tiny, { dtype: 'bfloat16', oneAtATime: false });
    const apart = openPipeline(tiny, { dtype: 'bfloat16', oneAtATime: true });
    const expected = await sample(together);
    assert.deepEqual(await sample(apart), expected);
    assert.deepEqual(await sample(apart), expected);
    for (const pipeline of [together, apart]) pipeline.dispose();
  });

  test('saving over a folder replaces it whole and leaves nothing beside it', () => {
    const place = join(root, 'replaced', 'p');
    saveTinyPipeline(place);
    writeFileSync(join(place, 'old.txt'), '');
    saveTinyPipeline(place, { fps: 12 });
    assert.deepEqual(readdirSync(join(root, 'replaced')), ['p']);
    assert.ok(!readdirSync(place).includes('old.txt'));
    const pipeline = openPipeline(place);
    assert.equal(pipeline.settings.fps, 12);
    pipeline.dispose();
  });

  test('opens sharded weights by their index', async () => {
    const sharded = copyOf('sharded');
    const path = join(sharded, WEIGHTS);
    const file = openSafetensors(path);
    const names = file.keys();
    const half = Math.floor(names.length / 2);
    const map: Record<string, string> = {};
    [names.slice(0, half), names.slice(half)].forEach((part, i) => {
      const name = `diffusion_pytorch_model-0000${i + 1}-of-00002.safetensors`;
      tidy(() =>
        saveSafetensors(
          join(sharded, 'transformer', name),
          Object.fromEntries(part.map((key) => [key, file.get(key)])),
        ),
      );
      for (const key of part) map[key] = name;
    });
    file.close();
    rmSync(path);
    writeFileSync(`${path}.index.json`, JSON.stringify({ metadata: {}, weight_map: map }));
    const [plain, shards] = [tiny, sharded].map((f) => openPipeline(f, { dtype: 'float32' }));
    assert.deepEqual(await sample(shards!), await sample(plain!));
    for (const pipeline of [plain!, shards!]) pipeline.dispose();
  });

  test('computes in bfloat16 when asked to, and follows float32 closely', async () => {
    const [wide, narrow] = [
      openPipeline(tiny, { dtype: 'float32' }),
      openPipeline(tiny, { dtype: 'bfloat16' }),
    ];
    assert.ok(narrow.transformer.parameters().every((p) => p.dtype === 'bfloat16'));
    const [a, b] = [await sample(wide), await sample(narrow)];
    const error = Math.sqrt(a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length);
    const size = Math.sqrt(a.reduce((sum, v) => sum + v * v, 0) / a.length);
    assert.ok(error < 0.1 * size, `${error} of ${size}`); // 2^-8 at each of some thirty layers
    for (const pipeline of [wide, narrow]) pipeline.dispose();
  });
});

describe('sample', () => {
  let pipeline: Pipeline;
  before(() => {
    pipeline = openPipeline(tiny, { dtype: 'float32' });
  });
  after(() => pipeline.dispose());

  test('the same seed gives the same clip, another seed another', async () => {
    const first = await sample(pipeline);
    assert.equal(first.length, 3 * 5 * 32 * 32);
    assert.deepEqual(await sample(pipeline), first);
    assert.notDeepEqual(await sample(pipeline, ['a red cube'], 1), first);
  });

  test('sample i of a batch is the sample of seed + i alone', async () => {
    const prompts = ['a red cube', 'a cube'];
    const both = await sample(pipeline, prompts, 5);
    const alone = await sample(pipeline, [prompts[1]!], 6);
    const second = both.subarray(alone.length);
    const worst = alone.reduce((most, v, i) => Math.max(most, Math.abs(v - second[i]!)), 0);
    assert.ok(worst < 1e-4, String(worst)); // sums in another order
  });

  test('frees everything but its result, and stops when its signal aborts', async () => {
    const condition = conditionOf(NOTHING, target);
    const request = {
      task: TASKS.t2v,
      prompts: ['a'],
      conditions: [condition],
      target,
      numInferenceSteps: 3,
      guidanceScale: 2,
      motionScore: 1,
      seed: 0,
    };
    (await pipeline.sample(request)).dispose();
    const before = memoryInfo().tensors;
    (await pipeline.sample(request)).dispose();
    assert.equal(memoryInfo().tensors, before);
    const controller = new AbortController();
    const seen: number[] = [];
    const onStep = (step: number) => {
      seen.push(step);
      controller.abort();
    };
    const stopped = pipeline.sample({ ...request, onStep, signal: controller.signal });
    await assert.rejects(stopped, { name: 'AbortError' });
    assert.deepEqual(seen, [1]);
    assert.equal(memoryInfo().tensors, before);
  });
});

function copyOf(name: string): string {
  const copy = join(root, name);
  cpSync(tiny, copy, { recursive: true });
  return copy;
}

/** Writes the transformer's weights anew. */
function rewrite(folder: string, change: (weights: Map<string, Tensor>) => void): void {
  noGrad(() =>
    tidy(() => {
      const file = openSafetensors(join(folder, WEIGHTS));
      const weights = new Map(file.keys().map((key) => [key, file.get(key).clone()]));
      file.close();
      change(weights);
      saveSafetensors(join(folder, WEIGHTS), weights);
    }),
  );
}

describe('openPipeline refuses with one sentence', () => {
  const edit =
    (file: string, change: (json: Record<string, unknown>) => unknown) => (f: string) => {
      const path = join(f, file);
      writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))));
    };
  const cases: [string, (folder: string) => void, RegExp][] = [
    [
      'a folder that is none',
      (f) => rmSync(join(f, 'model_index.json')),
      /is not a pipeline folder \(no model_index\.json\)/,
    ],
    ['an index that is null', edit('model_index.json', () => null), /model_index\.json: /],
    [
      'another class',
      edit('model_index.json', (j) => ({ ...j, _class_name: 'X' })),
      /model_index\.json: _class_name: /,
    ],
    [
      'settings that do not fit',
      edit('model_index.json', (j) => ({ ...j, _mfm: { width: 33, numFrames: 6 } })),
      /_mfm\.width: .*16.*_mfm\.numFrames: must be 4k \+ 1/,
    ],
    ['a missing part', (f) => rmSync(join(f, 'vae'), { recursive: true }), /no vae.config\.json/],
    [
      'a missing scheduler',
      (f) => rmSync(join(f, 'scheduler'), { recursive: true }),
      /no scheduler.scheduler_config\.json/,
    ],
    [
      'an unknown key of the scheduler',
      edit('scheduler/scheduler_config.json', (j) => ({ ...j, shifft: 1 })),
      /scheduler_config\.json: .*shifft/,
    ],
    [
      'an unknown key of a network',
      edit('transformer/config.json', (j) => ({ ...j, nope: 1 })),
      /transformer.config\.json: .*nope/,
    ],
    [
      'broken JSON',
      (f) => writeFileSync(join(f, 'transformer/config.json'), '{"a": '),
      /transformer.config\.json: must be JSON/,
    ],
    ['a missing tokenizer', (f) => rmSync(join(f, 'tokenizer'), { recursive: true }), /tokenizer/],
    [
      'missing weights file',
      (f) => rmSync(join(f, WEIGHTS)),
      /diffusion_pytorch_model\.safetensors: no such file/,
    ],
    [
      'damaged weights',
      (f) => writeFileSync(join(f, WEIGHTS), 'x'.repeat(100)),
      /not a complete safetensors file/,
    ],
    [
      'missing weights',
      (f) => rewrite(f, (w) => w.delete('proj_out_2.weight')),
      /missing 1 tensor \(proj_out_2\.weight\)/,
    ],
    [
      'extra weights',
      (f) => rewrite(f, (w) => w.set('extra', ones([1]))),
      /unexpected 1 tensor \(extra\)/,
    ],
    [
      'misshapen weights',
      (f) => rewrite(f, (w) => w.set('proj_out_2.bias', ones([3]))),
      /proj_out_2\.bias must be \[64\], got \[3\]/,
    ],
  ];
  cases.forEach(([what, damage, message], i) => {
    test(what, () => {
      const folder = copyOf(`damaged-${i}`);
      damage(folder);
      assert.throws(
        () => openPipeline(folder),
        (error: Error) => {
          assert.ok(error instanceof InputError, `${error.stack}`);
          assert.match(error.message, message);
          assert.ok(error.message.startsWith(folder), error.message);
          assert.doesNotMatch(error.message, /\n/);
          return true;
        },
      );
      rmSync(folder, { recursive: true });
    });
  });
});
