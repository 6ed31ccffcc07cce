import assert from 'node:assert/strict';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { fromRoot } from '../../src/files/package-root.js';
import { openSafetensors, saveSafetensors } from '../../src/tensor/index.js';
import { expectTrainable } from '../../src/train/check.js';
import { Recipe } from '../../src/train/recipe/config.js';
import { saveTinyPipeline } from '../eval/tiny-pipeline.js';
import { temporaryFolder } from '../temp-folder.js';
import { tinyRecipe } from './tiny.js';

const root = temporaryFolder();
const carried = fromRoot('models/mfm-mini');
const tiny = join(root, 'tiny');
before(() => saveTinyPipeline(tiny));

/** The transformer of the tiny pipeline; its text encoder has other heads. */
const SAME = { numLayers: 1, numHeads: 1, adapterChannels: [4, 4, 8, 8, 8] };

const refused = (recipe: Recipe, message: RegExp, options = {}) =>
  assert.throws(() => expectTrainable(recipe, options), { name: 'InputError', message });

const onBase = (transformer: object) =>
  Recipe.parse({ name: 'own', base: carried, transformer: { steps: 1, ...transformer } });

describe('expectTrainable', () => {
  test('finds nothing wrong where nothing is', () => {
    const mini = { autoencoder: { from: carried }, textEncoder: { from: carried } };
    const recipes = [
      tinyRecipe(),
      onBase({ lora: { rank: 4 } }),
      onBase({ train: ['transformer.*.attn1.*', 'text_encoder.*'] }),
      Recipe.parse({
        name: 'mini',
        ...mini,
        transformer: { steps: 1, numLayers: 6, from: carried },
      }),
      Recipe.parse({ name: 'none', data: [{ manifest: root }], transformer: { steps: 1 } }),
    ];
    for (const recipe of recipes) expectTrainable(recipe);
    const fresh = Recipe.parse({
      name: 'fresh',
      init: carried,
      transformer: { steps: 1, numLayers: 6 },
    });
    expectTrainable(fresh);
  });

  test('names blocks that the pipeline to be trained on does not have', () => {
    const tokenRouting = { share: 0.5, last: 6 };
    refused(
      onBase({ tokenRouting, alignment: { weight: 1, block: 7 } }),
      /transformer\.tokenRouting: must skip blocks between 0 and 5, got 1 to 6\n.*alignment\.block: must be between 0 and 5, got 7$/,
    );
  });

  test('names the weight that is no number, of every network that training begins with', () => {
    const WEIGHTS = {
      transformer: 'diffusion_pytorch_model',
      vae: 'diffusion_pytorch_model',
      text_encoder: 'model',
    };
    for (const [part, file] of Object.entries(WEIGHTS)) {
      const folder = join(root, `broken-${part}`);
      cpSync(carried, folder, { recursive: true });
      const path = join(folder, part, `${file}.safetensors`);
      const open = openSafetensors(path);
      const tensors = new Map(open.keys().map((key) => [key, open.get(key)]));
      const [name, weight] = [...tensors].at(-1)!;
      tensors.set(name, weight.clone().fill_(Number.NaN));
      saveSafetensors(path, tensors);
      open.close();
      const message = new RegExp(`${path}: ${name} holds NaN; the file is damaged`);
      const recipe = Recipe.parse({ name: 'own', base: folder, transformer: { steps: 1 } });
      refused(recipe, message);
      expectTrainable(recipe, { dryRun: true }); // which reads no weights
      expectTrainable(recipe, { weights: false });
      if (part === 'vae') continue;
      refused(
        Recipe.parse({ name: 'x', init: folder, transformer: { steps: 1, numLayers: 6 } }),
        message,
      );
    }
  });

  test('names every folder and data set that is not there', () => {
    const recipe = tinyRecipe(
      { from: 'nowhere' },
      { init: '/gone', data: [{ manifest: 'nothing.jsonl' }, { manifest: 'shard-{00..03}.tar' }] },
    );
    refused(
      recipe,
      /^tiny: 4 problems\n {2}nothing\.jsonl: no such data set; .*\n {2}shard-\{00\.\.03\}\.tar: no such data set; .*\n {2}transformer\.from: must be a pipeline folder, got nowhere, which is none\n {2}init: must be a pipeline folder, got \/gone, which is none$/,
    );
    refused(tinyRecipe({ from: root }), /^transformer\.from: must be a pipeline folder, got /);
  });

  test('lets a released pipeline be missing in a dry run alone', () => {
    const recipe = Recipe.parse({
      name: 'large',
      textEncoder: { from: 'large' },
      autoencoder: { from: 'large' },
      transformer: { steps: 1, preset: 'mfm-2b' },
    });
    expectTrainable(recipe, { dryRun: true });
    refused(recipe, /autoencoder\.from: must be a pipeline folder, got large, which is none/);
    refused({ ...recipe, init: '/gone' }, /^init: must be a pipeline folder/, { dryRun: true });
  });

  test('refuses weights of another size, in the words of a recipe', () => {
    refused(
      tinyRecipe({ from: tiny, numLayers: 2, numHeads: 3 }),
      /^transformer\.from: must hold a transformer of the recipe's size, got \S+tiny with numHeads 1 \(not 3\), adapterChannels 4,4,8,8,8 \(not 8,8,8,8,8\); change the recipe/,
    );
    refused(
      tinyRecipe(SAME, { init: tiny }),
      /tiny\/text_encoder: \S+ must be \[32, 1\] as the recipe has it, got \[32, 2\]; train from scratch/,
    );
  });

  test('takes the weights of fewer blocks, and refuses those of more', () => {
    const sized = (numLayers: number) =>
      Recipe.parse({ name: 'sized', init: carried, transformer: { steps: 1, numLayers } });
    expectTrainable(sized(8));
    refused(sized(5), /^init: .* with numLayers 6 \(not 5\); change the recipe/);
  });

  test('refuses weights that are not whole', () => {
    const broken = join(root, 'broken');
    cpSync(tiny, broken, { recursive: true });
    writeFileSync(join(broken, 'vae/diffusion_pytorch_model.safetensors'), 'half');
    const recipe = tinyRecipe({}, { autoencoder: { from: broken } });
    refused(
      recipe,
      /vae\/diffusion_pytorch_model\.safetensors: is not a complete safetensors file/,
    );
  });

  test('refuses patterns that fit nothing and those that leave nothing', () => {
    refused(tinyRecipe({ train: ['nothing.*'] }), /^train: "nothing\.\*" matches no parameter; /);
    refused(tinyRecipe({ freeze: ['*'] }), /^freeze: "\*" leaves nothing to train; /);
    refused(
      onBase({ lora: { targets: ['x_proj'] } }),
      /^lora\.targets: "x_proj" matches no linear/,
    );
    refused(
      onBase({ train: ['transformer.x*'] }),
      /^train: "transformer\.x\*" matches no parameter/,
    );
  });

  test('refuses a rank that is wider than a layer', () => {
    refused(
      onBase({ lora: { rank: 4000, targets: ['q_proj'] } }),
      /^lora\.rank: must be at most 256, the narrower side of \S+q_proj, got 4000$/,
    );
  });
});
