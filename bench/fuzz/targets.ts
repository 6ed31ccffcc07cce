/** All parsers of user files: valid files, how they are mutated, and what reads them. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { checkConfig } from '../../src/check-config.js';
import { readJobs } from '../../src/cli/commands/generate/jobs.js';
import { readEntries } from '../../src/data/sources/manifest.js';
import { TarWriter } from '../../src/data/sources/tar.js';
import { SchedulerConfig } from '../../src/diffusion/index.js';
import { fromRoot } from '../../src/files/package-root.js';
import { readJson } from '../../src/files/read-json.js';
import { sniff } from '../../src/media/codecs/sniff.js';
import { parseProbe } from '../../src/media/ffmpeg/probe.js';
import { readMedia } from '../../src/media/index.js';
import { Autoencoder, parseAutoencoderConfig } from '../../src/models/autoencoder/index.js';
import {
  DEPTH_ANYTHING_PRESETS,
  DepthAnything,
  parseDepthAnythingConfig,
} from '../../src/models/depth-anything/index.js';
import { PromptTokenizer, parseT5Config, T5Encoder } from '../../src/models/t5/index.js';
import { parseTransformerConfig, Transformer3D } from '../../src/models/transformer/index.js';
import {
  disposeLora,
  Linear,
  loadWeights,
  Module,
  readLora,
  withParameters,
} from '../../src/nn/index.js';
import { openPipeline } from '../../src/pipeline/index.js';
import { ones, openSafetensors, saveSafetensors, tidy } from '../../src/tensor/index.js';
import { readRecipe } from '../../src/train/recipe/read-recipe.js';
import { summariseRun } from '../../src/train/run/status.js';
import {
  anyBytes,
  jsonLines,
  jsonValues,
  type Mutate,
  safetensorsHeader,
  tarHeader,
} from './mutate.js';

export interface Target {
  /** path of the file in the target's folder; parsers go by its extension */
  file: string;
  mutate: Mutate;
  /** valid files; may also create other files that the parser needs */
  seeds(folder: string): Promise<Buffer[]> | Buffer[];
  /** @param file  the mutated file @param folder  the target's folder */
  read(file: string, folder: string): unknown;
  /** the share of the requested cases to run, for slow parsers; default: all */
  share?: number;
}

const MINI = fromRoot('models/mfm-mini');
const stored = (...names: string[]) => names.map((name) => readFileSync(fromRoot(name)));
const text = (...texts: string[]) => texts.map((each) => Buffer.from(each));

/** A module with two weights, stored in one file or in two shards. */
class Pair extends Module {
  readonly a = this.child('a', new Linear(3, 2, { bias: false }));
  readonly b = this.child('b', new Linear(2, 3, { bias: false }));
}

/** Stores both weights in one file. */
function savePair(path: string): Buffer {
  tidy(() => {
    saveSafetensors(path, { 'a.weight': ones([2, 3]), 'b.weight': ones([3, 2]) }, { by: 'fuzz' });
  });
  return readFileSync(path);
}

function loadPair(folder: string): void {
  const pair = withParameters({ device: 'meta' }, () => new Pair());
  loadWeights(pair, folder, 'model', null);
  pair.dispose();
}

/** Reads a configuration and builds the network that it describes, without weights. */
const network =
  <C>(parse: (source: unknown, where: string) => C, Made: new (config: C) => Module) =>
  (file: string): void =>
    tidy(() => {
      const config = parse(readJson(file), file);
      withParameters({ device: 'meta' }, () => new Made(config)).dispose();
    });

/** Reads all rows of a data set, including those with mistakes. */
async function readAll(path: string): Promise<void> {
  for await (const entry of readEntries(path)) void entry;
}

/** One file of an otherwise valid pipeline. */
const inPipeline = (name: string): Target => ({
  file: join('pipeline', name),
  mutate: jsonValues,
  share: 0.02,
  seeds: (folder) => {
    cpSync(MINI, join(folder, 'pipeline'), { recursive: true });
    return stored(join('models/mfm-mini', name));
  },
  read: (_, folder) => openPipeline(join(folder, 'pipeline')).dispose(),
});

const config = (seeds: Target['seeds'], read: (file: string) => unknown): Target => ({
  file: 'config.json',
  mutate: jsonValues,
  seeds,
  read,
});

const picture = () => sharp({ create: { width: 9, height: 7, channels: 4, background: '#0a08' } });

const ROWS = [
  { video: 'a.mp4', prompt: 'a "red" cube, left', start: 0.5, frames: 17, watermark: false },
  { image: 'b.png', caption: 'é', mask: 'b_mask.png', motionScore: 3, sharpness: 1 },
  { image: 'c.jpg', target: 'd.jpg', depth: 'c.png', prompt: 'make it blue' },
];
const CSV = `video,prompt,start\na.mp4,"a ""red"" cube, left",0.5\n"b.mp4","two\nlines",\n`;
const PROBE = `Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/a.mp4':
  Duration: 00:00:02.50, start: 0.500000, bitrate: 145 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, bt709, progressive), 640x360 [SAR 1:1 DAR 16:9], 145 kb/s, 29.97 fps, 29.97 tbr, 11988 tbn (default)
  Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 44100 Hz, stereo, fltp, 128 kb/s (default)
`;
const STATUS = {
  state: 'stopped',
  part: 'transformer',
  step: 7,
  steps: 40,
  pid: 1,
  host: 'a',
  updated: '2026-11-01T10:00:00.000Z',
};
const METRICS = [1, 2, 3].map((step) => ({
  part: 'transformer',
  step,
  time: `2026-11-01T10:00:0${step}.000Z`,
  seconds: step,
  loss: 0.5 / step,
  'loss/t2i': 0.4,
  samplesPerSecond: 9,
}));

export const TARGETS: Record<string, Target> = {
  safetensors: {
    file: 'model.safetensors',
    mutate: safetensorsHeader,
    seeds: (folder) => [savePair(join(folder, 'model.safetensors'))],
    read: (file) => {
      const weights = openSafetensors(file);
      try {
        tidy(() => {
          for (const key of weights.keys()) weights.get(key).to('float32').sum();
        });
        JSON.stringify(weights.metadata);
      } finally {
        weights.close();
      }
    },
  },
  'weights index': {
    file: 'model.safetensors.index.json',
    mutate: jsonValues,
    seeds: (folder) => {
      const shards = ['a', 'b'].map((name) => `model-${name}.safetensors`);
      tidy(() => {
        saveSafetensors(join(folder, shards[0]!), { 'a.weight': ones([2, 3]) });
        saveSafetensors(join(folder, shards[1]!), { 'b.weight': ones([3, 2]) });
      });
      const map = { 'a.weight': shards[0], 'b.weight': shards[1] };
      return text(JSON.stringify({ metadata: { total_size: 48 }, weight_map: map }));
    },
    read: (_, folder) => loadPair(folder),
  },
  lora: {
    file: 'pytorch_lora_weights.safetensors',
    mutate: safetensorsHeader,
    seeds: (folder) => {
      const path = join(folder, 'seed.safetensors');
      const layer = 'transformer.blocks.0.attn1.q_proj';
      const settings = { 'transformer.r': 2, 'transformer.lora_alpha': 4 };
      tidy(() => {
        const pair = {
          [`${layer}.lora_A.weight`]: ones([2, 6]),
          [`${layer}.lora_B.weight`]: ones([4, 2]),
        };
        saveSafetensors(path, pair, { lora_adapter_metadata: JSON.stringify(settings) });
      });
      return [readFileSync(path)];
    },
    read: (file) => disposeLora(readLora(file)),
  },
  'lora settings': {
    file: 'adapter_config.json',
    mutate: jsonValues,
    seeds: (folder) => {
      const layer = 'base_model.model.blocks.0.attn1.q_proj';
      tidy(() => {
        saveSafetensors(join(folder, 'adapter_model.safetensors'), {
          [`${layer}.lora_A.weight`]: ones([2, 6]),
          [`${layer}.lora_B.weight`]: ones([4, 2]),
        });
      });
      return text(
        JSON.stringify({
          peft_type: 'LORA',
          r: 2,
          lora_alpha: 4,
          target_modules: ['q_proj'],
          rank_pattern: {},
          alpha_pattern: {},
          use_rslora: false,
          use_dora: false,
        }),
      );
    },
    read: (_, folder) => disposeLora(readLora(folder)),
  },
  transformer: config(
    () => stored('models/mfm-mini/transformer/config.json'),
    network(parseTransformerConfig, Transformer3D),
  ),
  autoencoder: config(
    () => stored('models/mfm-mini/vae/config.json'),
    network(parseAutoencoderConfig, Autoencoder),
  ),
  'text encoder': config(
    () => stored('models/mfm-mini/text_encoder/config.json'),
    network(parseT5Config, T5Encoder),
  ),
  'depth model': config(
    () => text(JSON.stringify(DEPTH_ANYTHING_PRESETS['depth-anything-v2-small'])),
    network(parseDepthAnythingConfig, DepthAnything),
  ),
  scheduler: config(
    () => stored('models/mfm-mini/scheduler/scheduler_config.json'),
    (file) => checkConfig(SchedulerConfig, readJson(file), file),
  ),
  tokenizer: {
    file: 'tokenizer.json',
    mutate: jsonValues,
    seeds: (folder) => {
      cpSync(join(MINI, 'tokenizer'), folder, { recursive: true });
      return stored('models/mfm-mini/tokenizer/tokenizer.json');
    },
    read: (_, folder) => PromptTokenizer.open(folder).encode(`A red cube, ${'a'.repeat(60)}!`),
  },
  'tokenizer settings': {
    file: 'tokenizer_config.json',
    mutate: jsonValues,
    seeds: (folder) => {
      cpSync(join(MINI, 'tokenizer'), folder, { recursive: true });
      return stored('models/mfm-mini/tokenizer/tokenizer_config.json');
    },
    read: (_, folder) => PromptTokenizer.open(folder).encode('a red cube'),
  },
  'pipeline: index': inPipeline('model_index.json'),
  'pipeline: transformer': inPipeline('transformer/config.json'),
  'pipeline: autoencoder': inPipeline('vae/config.json'),
  'pipeline: text encoder': inPipeline('text_encoder/config.json'),
  'pipeline: scheduler': inPipeline('scheduler/scheduler_config.json'),
  tar: {
    file: 'shard.tar',
    mutate: tarHeader,
    seeds: async (folder) => {
      const path = join(folder, 'seed.tar');
      const file = await open(path, 'w');
      const writer = new TarWriter(file);
      for (const name of ['0.png', '0.txt', '0.json', 'b/1.mp4', 'b/1.mask.png', 'b/1.txt']) {
        const isJson = name.endsWith('.json');
        await writer.add(name, Buffer.from(isJson ? '{"prompt": "x", "start": 1}' : 'a red cube'));
      }
      await writer.end();
      await file.close();
      return [readFileSync(path)];
    },
    read: readAll,
  },
  'manifest of JSON lines': {
    file: 'manifest.jsonl',
    mutate: jsonLines,
    seeds: () => text(`${ROWS.map((row) => JSON.stringify(row)).join('\n')}\n`),
    read: readAll,
  },
  'manifest as CSV': {
    file: 'manifest.csv',
    mutate: anyBytes,
    seeds: () => text(CSV, CSV.replaceAll(',', ';'), CSV.replaceAll(',', '\t')),
    read: readAll,
  },
  'list of prompts': {
    file: 'prompts.txt',
    mutate: anyBytes,
    seeds: () => text('a red cube\n\na blue sphere moves left\r\nein grüner Würfel\n'),
    read: (file) => readJobs(file),
  },
  'list of jobs': {
    file: 'jobs.jsonl',
    mutate: jsonLines,
    seeds: () =>
      text(
        '{"prompt": "a", "seed": 3, "input": ["a.png", "b.png"]}\n{"prompt": "b", "tile": "64x64"}\n',
      ),
    read: (file) => readJobs(file),
  },
  'list of jobs as CSV': {
    file: 'jobs.csv',
    mutate: anyBytes,
    seeds: () => text('prompt,seed,input\n"a ""red"" cube",3,a.png\nb,,"c.png"\n'),
    read: (file) => readJobs(file),
  },
  recipe: {
    file: 'recipe.yaml',
    mutate: anyBytes,
    seeds: () =>
      stored(
        ...['demo', 'finetune', 'mfm-2b', 'mfm-depth', 'mfm-mini'].map(
          (name) => `recipes/${name}.yaml`,
        ),
      ),
    read: (file) => readRecipe(file),
  },
  'recipe as JSON': {
    file: 'recipe.yaml',
    mutate: jsonValues,
    seeds: (folder) =>
      ['demo', 'finetune', 'mfm-mini'].map((name) => {
        writeFileSync(join(folder, 'seed.yaml'), stored(`recipes/${name}.yaml`)[0]!);
        return Buffer.from(JSON.stringify(readRecipe(join(folder, 'seed.yaml'))));
      }),
    read: (file) => readRecipe(file),
  },
  'status of a run': {
    file: 'run/status.json',
    mutate: jsonValues,
    seeds: () => text(JSON.stringify(STATUS)),
    read: (file) => summariseRun(dirname(file)),
  },
  'metrics of a run': {
    file: 'run/metrics.jsonl',
    mutate: jsonLines,
    seeds: (folder) => {
      mkdirSync(join(folder, 'run'), { recursive: true });
      writeFileSync(join(folder, 'run/status.json'), JSON.stringify(STATUS));
      return text(METRICS.map((line) => JSON.stringify(line)).join('\n'));
    },
    read: (file) => summariseRun(dirname(file)),
  },
  sniffing: {
    file: 'file.bin',
    mutate: anyBytes,
    seeds: async () => [
      ...(await Promise.all(
        (['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const).map((format) =>
          picture().toFormat(format).toBuffer(),
        ),
      )),
      readFileSync(fromRoot('examples/media/flower-small.mp4')).subarray(0, 4096),
    ],
    read: sniff,
  },
  pictures: {
    file: 'picture.png',
    mutate: anyBytes,
    share: 0.25,
    seeds: () =>
      Promise.all(
        (['png', 'jpeg', 'webp', 'gif', 'tiff'] as const).map((format) =>
          picture().toFormat(format).toBuffer(),
        ),
      ),
    read: async (file) => {
      // other kinds are decoded by ffmpeg, in a separate process
      if (['still', 'animation'].includes(await sniff(file))) await readMedia(file);
    },
  },
  "ffmpeg's words": {
    file: 'probe.txt',
    mutate: anyBytes,
    seeds: () => text(PROBE),
    read: (file) => parseProbe(file, readFileSync(file, 'utf8')),
  },
};
