import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SchedulerConfig } from '../../../../src/diffusion/index.js';
import { buildTokenizer, parseT5Config, T5Encoder } from '../../../../src/models/t5/index.js';
import {
  initialiseForTraining,
  TRANSFORMER_PRESETS,
  Transformer3D,
} from '../../../../src/models/transformer/index.js';
import { PipelineSettings, savePipeline } from '../../../../src/pipeline/index.js';
import {
  manualSeed,
  memoryInfo,
  openSafetensors,
  type Tensor,
} from '../../../../src/tensor/index.js';
import { buildAutoencoder } from '../../../../src/train/networks/autoencoder.js';
import { startFrom } from '../../../../src/train/networks/initial/initial-weights.js';
import {
  buildTrainedPipeline,
  type TrainedPipeline,
} from '../../../../src/train/networks/trained-pipeline.js';
import { smallMini } from '../../../small-mini.js';
import { tinyRecipe } from '../../tiny.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-start-'));
after(() => rmSync(root, { recursive: true, force: true }));

const recipe = tinyRecipe({ width: 16, height: 16, numFrames: 5 });

const fresh = (init?: string): TrainedPipeline =>
  buildTrainedPipeline(
    {
      recipe: { ...recipe, init },
      autoencoder: buildAutoencoder(recipe, 'float32'),
      dtype: 'float32',
      tasks: ['t2i'],
    },
    1,
  );

test('depth keeps the scale that the first weights know; without any, it is that of pixels', () => {
  for (const [init, scale] of [
    [undefined, 'unit'],
    [smallMini(root, { depthScale: 'clip' }), 'clip'],
    [saveFinished('raw', { tasks: ['t2i'] }), 'raw'],
  ] as const) {
    const { pipeline } = fresh(init);
    assert.equal(pipeline.settings.depthScale, scale);
    pipeline.dispose();
  }
});

/** A fresh pipeline that begins with the weights of a folder. */
function startedFrom(folder: string): TrainedPipeline {
  const trainee = fresh();
  startFrom(trainee, folder, 'float32');
  return trainee;
}

interface TextForm {
  num_layers?: number;
  d_ff?: number;
}

/** Writes a pipeline of the recipe's form that knows three words, one of which MiniWorld lacks. */
function saveFinished(
  name: string,
  { tasks, textWidth = 32, ...text }: { tasks: string[]; textWidth?: number } & TextForm,
): string {
  manualSeed(77);
  const { vocabSize, ...tokenizer } = buildTokenizer(['zebra', 'cube', 'red']);
  const transformer = new Transformer3D({
    ...TRANSFORMER_PRESETS['mfm-mini'],
    num_layers: 1,
    num_attention_heads: 1,
    cross_attention_dim: textWidth,
    cond_block_out_channels: [8, 8, 8, 8, 8],
    sample_size: 2,
  });
  initialiseForTraining(transformer);
  const textEncoder = new T5Encoder(
    parseT5Config({
      vocab_size: vocabSize,
      d_model: textWidth,
      d_kv: 32,
      d_ff: 2 * textWidth,
      num_layers: 1,
      num_heads: textWidth / 32,
      feed_forward_proj: 'gated-gelu',
      ...text,
    }),
  ).initialise();
  const settings = PipelineSettings.parse({ width: 16, height: 16, numFrames: 5, tasks });
  const autoencoder = buildAutoencoder(recipe, 'float32');
  const scheduler = SchedulerConfig.parse({});
  const folder = join(root, name);
  const parts = { transformer, autoencoder, textEncoder, scheduler, settings };
  savePipeline(folder, parts, tokenizer, 'float32');
  return folder;
}

/** Embedding rows by piece. */
function rowsOf(tokenizer: unknown, weight: Tensor): Map<string, number[]> {
  const { model } = tokenizer as { model: { vocab: [string, number][] } };
  return new Map(
    model.vocab.map(([piece], row) => [piece, [...weight.select(0, row).toFloat32Array()]]),
  );
}

const embeddings = ({ pipeline, tokenizer }: TrainedPipeline) =>
  rowsOf(tokenizer.tokenizer, new Map(pipeline.textEncoder.stateDict()).get('shared.weight')!);

function storedEmbeddings(folder: string): Map<string, number[]> {
  const tokenizer = JSON.parse(readFileSync(join(folder, 'tokenizer/tokenizer.json'), 'utf8'));
  const file = openSafetensors(join(folder, 'text_encoder/model.safetensors'));
  return rowsOf(tokenizer, file.get('shared.weight'));
}

describe('startFrom', () => {
  let folder: string;
  before(() => {
    folder = saveFinished('finished', { tasks: ['t2i', 'i2v'] });
  });

  test('words that both know keep what they mean, new ones are fresh', () => {
    const trainee = fresh();
    const untouched = embeddings(trainee);
    startFrom(trainee, folder, 'float32');
    const started = embeddings(trainee);
    const finished = storedEmbeddings(folder);
    assert.ok(finished.has('▁zebra') && !started.has('▁zebra'));
    assert.ok(!finished.has('▁sphere'));
    for (const [piece, row] of started) {
      assert.deepEqual(row, finished.get(piece) ?? untouched.get(piece), piece);
    }
    for (const piece of ['</s>', '▁cube', '▁red']) {
      assert.notDeepEqual(started.get(piece), untouched.get(piece), piece);
    }
  });

  test('every other weight is that of the folder', () => {
    const { transformer, textEncoder } = startedFrom(folder).pipeline;
    const parts = [
      [transformer, 'transformer/diffusion_pytorch_model'],
      [textEncoder, 'text_encoder/model'],
    ] as const;
    for (const [part, name] of parts) {
      const file = openSafetensors(join(folder, `${name}.safetensors`));
      const weights = new Map<string, Tensor>(part.stateDict());
      // but for the embedding, and the adapter's first layer: see below
      const others = [...weights.keys()].filter((key) => !/shared|conv_in\.weight/.test(key));
      for (const key of others) {
        assert.deepEqual(weights.get(key)!.toFloat32Array(), file.get(key).toFloat32Array(), key);
      }
    }
  });

  test('leaves no tensor behind, of a folder that does not fit neither', () => {
    const trainee = fresh();
    const { tensors } = memoryInfo();
    startFrom(trainee, folder, 'float32');
    assert.equal(memoryInfo().tensors, tensors);
    const other = saveFinished('other-words', { tasks: ['t2i'], d_ff: 96 });
    const before = memoryInfo().tensors;
    assert.throws(() => startFrom(trainee, other, 'float32'), { name: 'InputError' });
    assert.equal(memoryInfo().tensors, before);
  });

  test('refuses networks of another form in one sentence that names a tensor', () => {
    const tasks = ['t2i'];
    const folders: [string, RegExp][] = [
      [
        saveFinished('wide', { tasks, textWidth: 64 }),
        /wide\/transformer\/\S+: .*transformer_blocks\.0\.attn2\.k_proj\.weight must be \[/,
      ],
      [
        saveFinished('fed', { tasks, d_ff: 96 }),
        /fed\/text_encoder: encoder\.block\.0\.\S+ must be \[64, 32\] as the recipe has it, got \[96, 32\]; train/,
      ],
      [
        saveFinished('deep', { tasks, num_layers: 2 }),
        /deep\/text_encoder: has encoder\.block\.1\.\S+, which the recipe's text encoder does not have; train/,
      ],
    ];
    for (const [other, message] of folders) {
      assert.throws(() => startFrom(fresh(), other, 'float32'), { name: 'InputError', message });
    }
  });

  describe('depth', () => {
    /** Largest weight of the adapter's first layer for depth, the fourth channel, and for pixels. */
    const weights = ({ pipeline }: TrainedPipeline) => {
      const { weight } = pipeline.transformer.condConv.convIn;
      const largest = (first: number, count: number) =>
        weight.narrow(1, first, count).abs().amax().item();
      return { depth: largest(3, 1), pixels: largest(0, 3), mask: largest(4, 1) };
    };

    test('has no say at first where the pipeline never saw any', () => {
      const before = readFileSync(join(folder, 'transformer/diffusion_pytorch_model.safetensors'));
      const trainee = startedFrom(folder);
      const { depth, pixels, mask } = weights(trainee);
      assert.equal(depth, 0);
      assert.ok(pixels > 0 && mask > 0);
      // the folder's file is mapped: it stays as it is
      const file = join(folder, 'transformer/diffusion_pytorch_model.safetensors');
      assert.ok(readFileSync(file).equals(before));
    });

    test('keeps its say where a task of the pipeline is given depth', () => {
      const shaped = saveFinished('shaped', { tasks: ['t2i', 'd2v'] });
      const trainee = startedFrom(shaped);
      assert.ok(weights(trainee).depth > 0);
    });

    test('a task that is not in the table tells nothing of it', () => {
      const other = saveFinished('other', { tasks: ['t2i', 'made-up'] });
      const trainee = startedFrom(other);
      assert.equal(weights(trainee).depth, 0);
    });
  });
});
