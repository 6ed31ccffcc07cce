import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import {
  Autoencoder,
  initialiseAutoencoder,
  parseAutoencoderConfig,
} from '../../src/models/autoencoder/index.js';
import { loadWeights } from '../../src/nn/index.js';
import { LATENTS_SCALE, openPipeline } from '../../src/pipeline/index.js';
import {
  cat,
  Generator,
  manualSeed,
  noGrad,
  openSafetensors,
  randn,
  setThreads,
} from '../../src/tensor/index.js';
import type { Reporter } from '../../src/train/loop/reporter.js';
import { reconstruct } from '../../src/train/networks/autoencoder.js';
import { normaliseLatents } from '../../src/train/networks/normalise-latents.js';
import { Recipe } from '../../src/train/recipe/config.js';
import { autoencoderConfigOf } from '../../src/train/recipe/networks.js';
import { Run } from '../../src/train/run/run.js';
import { readStatus } from '../../src/train/run/status.js';
import { trainParts } from '../../src/train/train-parts.js';
import { TINY_AUTOENCODER, TINY_TEXT_ENCODER, TINY_TRANSFORMER } from './tiny-parts.js';

const root = mkdtempSync(join(tmpdir(), 'mfm-train-'));
after(() => rmSync(root, { recursive: true, force: true }));

const recipe = Recipe.parse({
  name: 'tiny',
  dtype: 'float32',
  data: [{ miniworld: { clips: 4, images: 4 } }],
  validationSamples: 2,
  autoencoder: {
    steps: 3,
    ...TINY_AUTOENCODER,
    batches: [
      { numFrames: 5, batchSize: 1 },
      { numFrames: 1, batchSize: 2 },
    ],
  },
  textEncoder: TINY_TEXT_ENCODER,
  transformer: {
    ...TINY_TRANSFORMER,
    tokensPerBatch: 8,
    logEverySteps: 1,
    adapter: { steps: 2 },
    tasks: { t2i: 1, i2v: 1, vinp: 1 },
    imageShare: [0.5, 0.5],
    stages: [
      { name: 'first', steps: 4 },
      { name: 'second', steps: 3, tokensPerMicroBatch: 4, gradCheckpointing: true },
    ],
    steps: 1,
  },
  pipeline: { guidanceScale: 1, fps: 8 },
});

/** Says nothing; calls `onUpdate` after every step. */
const quiet = (onUpdate: (part: string, done: number) => void = () => {}): Reporter => {
  const parts: string[] = []; // the innermost last
  return {
    start: (name) => void parts.push(name),
    update: (done) => onUpdate(parts.at(-1)!, done),
    log: () => {},
    end: () => void parts.pop(),
  };
};

const weightsOf = (run: Run, part: string) => {
  const folder = run.path(
    'checkpoints',
    readdirSync(run.path('checkpoints'))
      .filter((n) => n.startsWith(part) && !n.endsWith('.tmp'))
      .sort()
      .at(-1)!,
  );
  return ['weights', 'ema', 'optimizer'].map((name) =>
    readFileSync(join(folder, `${name}.safetensors`)),
  );
};

describe('trainParts', () => {
  let whole: Run;
  const doing = new Map<string, string | undefined>();
  before(async () => {
    setThreads(1); // sums in one order
    whole = Run.open(join(root, 'whole'), recipe);
    const { signal } = new AbortController();
    const start = (name: string) => doing.set(name, readStatus(whole.folder)?.doing);
    const report = { ...quiet(), start };
    assert.equal(await trainParts({ run: whole, recipe, report, signal }), true);
  });

  test('writes a pipeline of the trained size that opens', () => {
    const pipeline = openPipeline(whole.path('pipeline'));
    const { width, height, numFrames, fps, guidanceScale, tasks } = pipeline.settings;
    assert.deepEqual(
      { width, height, numFrames, fps, guidanceScale, tasks },
      {
        width: 16,
        height: 16,
        numFrames: 5,
        fps: 8,
        guidanceScale: 1,
        tasks: ['t2i', 'i2v', 'vinp'],
      },
    );
    pipeline.dispose();
  });

  test('says in its status what it does that is no training', () => {
    assert.equal(doing.get('encoding latents'), 'encoding latents');
    assert.ok(doing.has('transformer second'), [...doing.keys()].join());
    assert.equal(doing.get('transformer second'), undefined);
    const { state, part, stage, step } = readStatus(whole.folder)!;
    assert.deepEqual([state, part, stage, step], ['finished', 'transformer', 'second', 7]);
  });

  test('writes losses by task, held-out figures and sample sheets', () => {
    const lines = readFileSync(whole.path('metrics.jsonl'), 'utf8').trim().split('\n');
    const figures = (part: string) =>
      Object.assign(
        {},
        ...lines.map((line) => JSON.parse(line)).filter((row) => row.part === part),
      );
    const { loss, 'validation/psnr': heldOut } = figures('autoencoder');
    assert.ok(loss > 0 && heldOut > 0, String([loss, heldOut]));
    for (const key of [
      'loss/t2i',
      'loss/vinp',
      'loss/sigma 0.5-0.75',
      'validation/i2v',
      'psnr/vinp',
      'busy',
      'tokensPerSecond',
      'gradNorm',
      'samplesPerSecond',
    ]) {
      assert.ok(Number.isFinite(figures('transformer')[key]), key);
    }
    // every step of both stages learns
    const steps = lines
      .map((line) => JSON.parse(line))
      .filter(({ part, gradNorm }) => part === 'transformer' && gradNorm !== undefined);
    assert.equal(steps.length, 7);
    for (const { gradNorm, loss } of steps)
      assert.ok(gradNorm > 0 && loss > 0, `${gradNorm} ${loss}`);
    const sheets = readdirSync(whole.path('samples'));
    assert.deepEqual(sheets.filter((name) => name.includes('transformer')).length, 6);
  });

  test('learns in every step, with a bound on micro-batches and without', () => {
    const lines = readFileSync(whole.path('metrics.jsonl'), 'utf8').trim().split('\n');
    const steps = lines
      .map((line) => JSON.parse(line))
      .filter((row) => row.part === 'transformer' && 'learningRate' in row);
    assert.equal(steps.length, 7);
    for (const row of steps) {
      assert.ok(row.loss > 0 && row.gradNorm > 0, JSON.stringify(row));
    }
  });

  test('stopped and resumed equals uninterrupted, bit for bit', async () => {
    const folder = join(root, 'stopped');
    for (const [part, step] of [
      ['autoencoder', 2],
      ['adapter', 1],
      ['transformer first', 3],
      ['transformer second', 6],
      ['', 0],
    ] as const) {
      const controller = new AbortController();
      const report = quiet((name, done) => {
        if (name === part && done === step) controller.abort();
      });
      const run = Run.open(folder, recipe, { resume: true });
      mkdirSync(run.path('checkpoints', `${part}-99999999.tmp`), { recursive: true }); // a crash's
      assert.equal(
        await trainParts({ run, recipe, report, signal: controller.signal }),
        part === '',
      );
      if (part === '') {
        for (const name of ['autoencoder', 'adapter', 'transformer']) {
          const [own, others] = [weightsOf(run, name), weightsOf(whole, name)];
          const same = own.map((bytes, i) => bytes.equals(others[i]!));
          assert.deepEqual(same, [true, true, true], `weights, averages, optimizer of ${name}`);
        }
        const file = 'pipeline/transformer/diffusion_pytorch_model.safetensors';
        assert.ok(readFileSync(run.path(file)).equals(readFileSync(whole.path(file))));
      } else if (part !== 'transformer second') {
        assert.ok(!existsSync(run.path('pipeline')), part); // its first sheets come with one
      }
    }
  });

  test('leaves an autoencoder alone once latents are made with it', async () => {
    const folder = join(root, 'whole-again');
    cpSync(whole.folder, folder, { recursive: true });
    const longer = { ...recipe, autoencoder: { ...recipe.autoencoder, steps: 5 } };
    const run = Run.open(folder, longer, { resume: true });
    const { signal } = new AbortController();
    assert.equal(await trainParts({ run, recipe: longer, report: quiet(), signal }), true);
    const file = 'pipeline/vae/diffusion_pytorch_model.safetensors';
    assert.ok(readFileSync(run.path(file)).equals(readFileSync(whole.path(file))), 'the same');
    const checkpoints = readdirSync(run.path('checkpoints'));
    assert.ok(!checkpoints.includes('autoencoder-00000005'), String(checkpoints));
  });

  test('trains a decoder alone: the encoder and its latents stay as they were', async () => {
    const own = {
      ...recipe,
      init: whole.path('pipeline'),
      autoencoder: { ...recipe.autoencoder, train: 'decoder' as const },
    };
    const vaeOf = (run: Run) => {
      const file = openSafetensors(run.path('pipeline/vae/diffusion_pytorch_model.safetensors'));
      return new Map(file.keys().map((name) => [name, file.get(name).toFloat32Array()]));
    };
    const run = Run.open(join(root, 'decoder'), own);
    const { signal } = new AbortController();
    assert.equal(await trainParts({ run, recipe: own, report: quiet(), signal }), true);
    const [before, after] = [vaeOf(whole), vaeOf(run)];
    assert.deepEqual([...after.keys()], [...before.keys()]);
    const same = [...after.keys()].filter((name) =>
      after.get(name)!.every((value, i) => value === before.get(name)![i]),
    );
    assert.deepEqual(
      same.filter((name) => name.startsWith('encoder.')),
      [...after.keys()].filter((name) => name.startsWith('encoder.')),
    );
    assert.ok(!same.includes('decoder.conv_out.conv.weight'));
  });

  test('trains all of an autoencoder and keeps its latents, as far as it is told to', async () => {
    const latentsOf = (folder: string) => {
      const model = new Autoencoder(autoencoderConfigOf(recipe));
      loadWeights(model, `${folder}/vae`, 'diffusion_pytorch_model', 'float32');
      const clip = randn([1, 3, 5, 32, 32], { generator: new Generator(3) });
      return noGrad(() => model.encode(clip).mode());
    };
    const before = latentsOf(whole.path('pipeline'));
    const awayAfter = async (keepLatents: number) => {
      const own = {
        ...recipe,
        init: whole.path('pipeline'),
        autoencoder: {
          ...recipe.autoencoder,
          steps: 20,
          learningRate: 1e-4,
          warmupSteps: 1,
          emaDecay: 0.9,
          keepLatents,
        },
      };
      const run = Run.open(join(root, `keep-${keepLatents}`), own);
      const { signal } = new AbortController();
      assert.equal(await trainParts({ run, recipe: own, report: quiet(), signal }), true);
      const away = latentsOf(run.path('pipeline')).sub(before);
      return away.mul(away).mean().item();
    };
    const [loose, tight] = [await awayAfter(1e-9), await awayAfter(1e3)];
    assert.ok(tight < loose / 2, `${tight} against ${loose}`);
  });

  test('refuses a folder that holds a run, unless told to resume', () => {
    assert.throws(() => Run.open(whole.folder, recipe), {
      name: 'InputError',
      message: /whole: holds a run already; `resume: true` goes on with it/,
    });
  });
});

test('normaliseLatents gives unit scale and leaves the reconstruction as it was', () => {
  manualSeed(2);
  const config = { block_out_channels: [8, 8, 8, 8], norm_num_groups: 4, layers_per_block: 1 };
  const model = initialiseAutoencoder(new Autoencoder(parseAutoencoderConfig(config)));
  const videos = [0, 1].map((seed) => randn([1, 3, 5, 32, 32], { generator: new Generator(seed) }));
  noGrad(() => {
    // fresh latents are so small that the guard against dead channels would show
    model.namedParameters().get('encoder.conv_out.conv.weight')!.mul_(100);
    const before = reconstruct(model, videos[0]!);
    normaliseLatents(model, videos);
    const change = reconstruct(model, videos[0]!).sub(before).abs().amax().item();
    assert.ok(change < 1e-4 * before.abs().amax().item() + 1e-5, String(change)); // float32
    const latents = cat(videos.map((video) => model.encode(video).mode())).mul(LATENTS_SCALE);
    const mean = latents.var([0, 2, 3, 4], { correction: 0 }).toFloat32Array();
    for (const variance of mean) assert.ok(Math.abs(variance - 1) < 1e-2, String(mean));
  });
});
