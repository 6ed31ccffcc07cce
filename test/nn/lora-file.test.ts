import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../src/errors.js';
import {
  addLora,
  applyLora,
  disposeLora,
  Linear,
  LoraConfig,
  Module,
  readLora,
  saveLora,
} from '../../src/nn/index.js';
import {
  memoryInfo,
  ones,
  openSafetensors,
  saveSafetensors,
  type Tensor,
  tensor,
  tidy,
} from '../../src/tensor/index.js';
import { temporaryFolder } from '../temp-folder.js';

const fixtures = fileURLToPath(new URL('fixtures/lora/', import.meta.url));
const folder = temporaryFolder();

/** The network of `make.py`. */
class Net extends Module {
  readonly blocks: Block[];
  constructor() {
    super();
    this.blocks = this.childList('blocks', [new Block(), new Block()]);
    const file = openSafetensors(join(fixtures, 'case.safetensors'));
    this.loadStateDict(
      new Map(
        file
          .keys()
          .flatMap((key) => (key.startsWith('net.') ? [[key, file.get(key)] as const] : [])),
      ),
      { prefix: 'net.' },
    );
    file.close();
  }
  forward(x: Tensor): Tensor {
    return this.blocks.reduce((value, block) => block.forward(value), x);
  }
}

class Block extends Module {
  readonly q = this.child('attn1.q_proj', new Linear(6, 4));
  readonly v = this.child('attn1.v_proj', new Linear(6, 4, { bias: false }));
  readonly fc1 = this.child('fc1', new Linear(4, 6));
  forward(x: Tensor): Tensor {
    return x.add(this.fc1.forward(this.q.forward(x).mul(this.v.forward(x))).tanh());
  }
}

const stored = openSafetensors(join(fixtures, 'case.safetensors'));
const difference = (net: Net, name: string) =>
  net.forward(stored.get('input')).sub(stored.get(name)).abs().amax().item();

const refuses = (make: () => unknown, message: RegExp) =>
  assert.throws(make, (error: Error) => {
    assert.ok(error instanceof InputError, String(error));
    assert.doesNotMatch(error.message, /\n/);
    assert.match(error.message, message);
    return true;
  });

describe('readLora', () => {
  test('the network is the one of the stored outputs', () => {
    assert.ok(difference(new Net(), 'plain') < 1e-6, 'without LoRA');
  });

  for (const [name, layout] of [
    ['peft', 'peft'],
    ['peft-rslora', 'peft'],
    ['diffusers', 'diffusers'],
    ['diffusers-network', 'diffusers'],
  ] as const) {
    test(`what ${name} saved gives what it gave there, merged`, () => {
      const net = new Net();
      const lora = readLora(join(fixtures, name), net);
      assert.equal(lora.layout, layout);
      assert.deepEqual(
        [...lora.weights.keys()].sort(),
        ['blocks.0.attn1.q_proj', 'blocks.0.fc1', 'blocks.1.attn1.q_proj', 'blocks.1.fc1'].sort(),
      );
      applyLora(net, [lora]);
      // the other way of saving holds the same layers
      assert.ok(difference(net, name.replace('-network', '')) < 1e-5, name);
    });
  }

  test('and as layers that go on training', () => {
    const net = new Net();
    const { weights } = readLora(join(fixtures, 'diffusers'), net);
    const config = LoraConfig.parse({ rank: 2, alpha: 5, targets: ['q_proj', 'fc1'] });
    addLora(net, config, 0).load(weights, 'fixture');
    assert.ok(difference(net, 'diffusers') < 1e-5, 'layers');
    refuses(
      () => addLora(new Net(), { ...config, alpha: 2 }, 0).load(weights, 'fixture'),
      /^fixture: the alpha of blocks\.0\.attn1\.q_proj must be the configured 2, got 5; configure that value instead$/,
    );
    refuses(
      () => addLora(new Net(), { ...config, rank: 3 }, 0).load(weights, 'fixture'),
      /^fixture: misshapen 8 tensors \(blocks\.0\.attn1\.q_proj\.lora_A\.weight must be \[3, 6\]/,
    );
  });

  test('a rank and an alpha of one layer count for it', () => {
    const { weights } = readLora(join(fixtures, 'peft'));
    const ranks = [...weights.values()].map(({ a, alpha }) => [a.size(0), alpha]);
    assert.deepEqual(ranks.sort(), [
      [2, 6],
      [2, 6],
      [2, 6],
      [3, 1.5],
    ]);
    const rslora = readLora(join(fixtures, 'peft-rslora')).weights;
    assert.ok(
      [...rslora.values()].every(({ alpha }) => alpha === 2 * Math.sqrt(4)),
      'rank-stabilised',
    );
  });

  test('older spellings, .alpha tensors; without any, alpha is the rank', () => {
    const a = ones([2, 6]);
    const b = ones([4, 2]);
    for (const [downName, upName] of [
      ['lora_down.weight', 'lora_up.weight'],
      ['lora.down.weight', 'lora.up.weight'],
      ['lora_A.default.weight', 'lora_B.default.weight'],
    ]) {
      for (const prefix of ['', 'transformer.', 'diffusion_model.']) {
        const name = `${prefix}blocks.0.attn1.q_proj`;
        const file = join(folder, 'old.safetensors');
        const tensors = { [`${name}.${downName}`]: a, [`${name}.${upName}`]: b };
        saveSafetensors(file, tensors);
        const alphaOf = () => readLora(file, new Net()).weights.get('blocks.0.attn1.q_proj')!.alpha;
        assert.equal(alphaOf(), 2);
        saveSafetensors(file, { ...tensors, [`${name}.alpha`]: tensor([0.5]) });
        assert.equal(alphaOf(), 0.5);
      }
    }
  });

  test('lists unknown, missing and misshapen tensors in one sentence', () => {
    const file = join(folder, 'wrong.safetensors');
    const layer = (name: string, inWidth: number, outWidth: number) => ({
      [`transformer.${name}.lora_A.weight`]: ones([2, inWidth]),
      [`transformer.${name}.lora_B.weight`]: ones([outWidth, 2]),
    });
    saveSafetensors(file, {
      ...layer('blocks.0.attn1.q_proj', 5, 4),
      ...layer('blocks.7.fc1', 4, 6),
      'transformer.blocks.0.attn1.v_proj.lora_A.weight': ones([2, 6]),
      'transformer.blocks.0.norm.weight': ones([1]),
    });
    refuses(
      () => readLora(file, new Net()),
      /is not a LoRA for this network: unknown 3 tensors \(transformer\.blocks\.0\.norm\.weight, .*fc1.*\); missing 1 tensor \(blocks\.0\.attn1\.v_proj\.lora_B\.weight\); misshapen 1 tensor \(transformer\.blocks\.0\.attn1\.q_proj\.lora_A\.weight must be \[2, 6\], got \[2, 5\]\)$/,
    );
    const many = Array.from({ length: 7 }, (_, i) => layer(`other.${i}`, 4, 4));
    saveSafetensors(file, Object.assign({}, ...many));
    refuses(() => readLora(file, new Net()), /unknown 14 tensors \(([^,]+, ){5}…\)$/);
    saveSafetensors(file, {
      ...layer('blocks.0.fc1', 4, 6),
      'transformer.blocks.0.fc1.alpha': ones([2]),
    });
    refuses(() => readLora(file), /misshapen 1 tensor \(.*fc1\.alpha must be one number, got 2\)$/);
    saveSafetensors(file, { weight: ones([2, 2]) });
    refuses(() => readLora(file), /is not a LoRA of a known layout: unknown 1 tensor \(weight\)$/);
    saveSafetensors(file, {});
    refuses(() => readLora(file), /it has no tensors$/);
    saveSafetensors(file, { 'x.lora_A.weight': ones([2, 2]), 'x.lora_B.weight': ones([2, 3]) });
    refuses(() => readLora(file), /misshapen 1 tensor \(x\.lora_B\.weight must be \[2, 2\], got/);
  });

  test('names tensors of other networks and methods by their kind, and no right ones', () => {
    const file = join(folder, 'kinds.safetensors');
    const right = {
      'transformer.blocks.0.attn1.q_proj.lora_A.weight': ones([2, 6]),
      'transformer.blocks.0.attn1.q_proj.lora_B.weight': ones([4, 2]),
    };
    const kinds: [string[], string][] = [
      [['text_encoder.encoder.block.0.q.lora_A.weight'], 'a text encoder'],
      [['text_encoder_2.x.lora_B.weight'], 'a text encoder'],
      [['lora_te1_text_model_layers_0_q.lora_down.weight'], 'a text encoder'],
      [['unet.down_blocks.0.q.lora_A.weight'], 'a U-Net, as Stable Diffusion has'],
      [['lora_unet_down_blocks_0_q.lora_down.weight'], 'a U-Net, as Stable Diffusion has'],
      [['transformer.blocks.0.attn1.q_proj.lora_magnitude_vector'], 'DoRA'],
      [['transformer.blocks.0.attn1.q_proj.dora_scale'], 'DoRA'],
      [['blocks.0.attn1.q_proj.hada_w1_a'], 'LoHa'],
      [['blocks.0.attn1.q_proj.lokr_w1'], 'LoKr'],
      [['transformer.blocks.0.attn1.q_proj.lora_B.bias'], 'LoRA with a bias'],
    ];
    for (const [names, kind] of kinds) {
      saveSafetensors(file, {
        ...right,
        ...Object.fromEntries(names.map((name) => [name, ones([2, 2])])),
      });
      const message = `: is not a LoRA for this network: 1 tensor of ${kind} (${names.join()}), which is not supported`;
      assert.throws(
        () => readLora(file, new Net()),
        ({ message: got }: Error) => got === file + message,
        kind,
      );
    }
    saveSafetensors(file, { 'blocks.0.attn1.q_proj.alpha': tensor([1]) });
    refuses(() => readLora(file, new Net()), /missing 1 tensor \(both matrices of blocks\.0/);
    saveSafetensors(file, { ...right, 'transformer.blocks.0.attn1.q_proj.alpha': tensor([1 / 0]) });
    refuses(() => readLora(file, new Net()), /q_proj\.alpha holds infinite values; the file is/);
  });

  test('files of other kinds and settings that are no object are named', () => {
    const named = (name: string, start: string) => {
      writeFileSync(
        join(folder, name),
        Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(64)]),
      );
      return join(folder, name);
    };
    refuses(() => readLora(named('a.gguf', 'GGUF')), /a\.gguf: is GGUF, the quantized weights/);
    refuses(() => readLora(named('a.pt', 'PK\x03\x04')), /is a zip file, as PyTorch writes/);
    refuses(
      () => readLora(named('a.ckpt', '\x80\x02}q\x01')),
      /is a Python pickle, .*; convert it/,
    );
    refuses(
      () => readLora(named('b.safetensors', '<!DOCTYPE html>')),
      /is a web page, as a failed/,
    );
    const file = join(folder, 'metadata.safetensors');
    const tensors = { 'x.lora_A.weight': ones([2, 2]), 'x.lora_B.weight': ones([2, 2]) };
    for (const text of ['[1]', '"x"', 'null', '{', '['.repeat(60_000)]) {
      saveSafetensors(file, tensors, { lora_adapter_metadata: text });
      refuses(() => readLora(file), /metadata\.safetensors: lora_adapter_metadata: must be/);
    }
  });

  test('a pattern that would never end is refused', { timeout: 60_000 }, () => {
    const name = `${'a'.repeat(40)}!`;
    const file = join(folder, 'endless.safetensors');
    saveSafetensors(
      file,
      { [`${name}.lora_A.weight`]: ones([2, 2]), [`${name}.lora_B.weight`]: ones([2, 2]) },
      { lora_adapter_metadata: JSON.stringify({ r: 2, alpha_pattern: { '(a+)+': 1 } }) },
    );
    refuses(() => readLora(file), /alpha_pattern takes too long to match/);
  });

  test('refuses files that are not a LoRA, and settings that it does not support', () => {
    refuses(() => readLora(join(folder, 'none')), /none: no such LoRA file or folder; give one/);
    refuses(
      () => readLora(tmpdir()),
      /must contain pytorch_lora_weights\.safetensors or adapter_model/,
    );
    const text = join(folder, 'lora.bin');
    writeFileSync(text, 'x');
    refuses(() => readLora(text), /must be a \.safetensors file or a folder with one$/);
    const copy = (change: Record<string, unknown> | null) => {
      const place = join(folder, 'peft');
      cpSync(join(fixtures, 'peft'), place, { recursive: true });
      const path = join(place, 'adapter_config.json');
      if (change === null) rmSync(path);
      else {
        const config = JSON.parse(readFileSync(path, 'utf8'));
        writeFileSync(path, JSON.stringify({ ...config, ...change }));
      }
      return join(place, 'adapter_model.safetensors');
    };
    refuses(
      () => readLora(copy({ use_dora: true })),
      /adapter_config\.json: use_dora: DoRA is not/,
    );
    refuses(() => readLora(copy({ bias: 'all' })), /bias: trained biases are not supported/);
    refuses(() => readLora(copy({ modules_to_save: ['x'] })), /modules_to_save is not supported/);
    refuses(() => readLora(copy({ peft_type: 'LOKR' })), /peft_type/);
    refuses(
      () => readLora(copy({ alpha_pattern: { '(': 1 } })),
      /alpha_pattern: keys must be regular expressions/,
    );
    refuses(() => readLora(copy(null)), /needs adapter_config\.json beside it/);
  });

  test('leaves no tensors behind, refused or freed', () => {
    const net = new Net();
    const before = memoryInfo().tensors;
    disposeLora(readLora(join(fixtures, 'peft'), net));
    assert.equal(memoryInfo().tensors, before);
  });
});

describe('saveLora', () => {
  const source = readLora(join(fixtures, 'peft'));

  for (const layout of ['diffusers', 'peft'] as const) {
    test(`${layout}: read again it is the same`, () => {
      const place = join(folder, `saved-${layout}`);
      const file = saveLora(place, source.weights, { layout });
      for (const path of [place, file]) {
        const again = readLora(path, new Net());
        assert.equal(again.layout, layout);
        assert.deepEqual([...again.weights.keys()], [...source.weights.keys()]);
        for (const [name, { a, b, alpha }] of again.weights) {
          const was = source.weights.get(name)!;
          assert.equal(alpha, was.alpha);
          assert.deepEqual(a.toFloat32Array(), was.a.toFloat32Array());
          assert.deepEqual(b.toFloat32Array(), was.b.toFloat32Array());
        }
      }
      const half = saveLora(place, source.weights, { layout, dtype: 'bfloat16' });
      assert.equal(readLora(half).dtype, 'bfloat16');
      assert.equal(readdirSync(place).filter((name) => name.endsWith('.tmp')).length, 0);
    });
  }

  test('names and settings are those of the other programs', () => {
    const keysOf = (place: string, name: string) =>
      tidy(() => {
        const file = openSafetensors(join(place, name));
        const { metadata } = file;
        const keys = file.keys().sort();
        file.close();
        return { keys, metadata };
      });
    const theirs = readLora(join(fixtures, 'diffusers')).weights;
    const place = join(folder, 'names');
    saveLora(place, theirs, { layout: 'diffusers' });
    const name = 'pytorch_lora_weights.safetensors';
    const [ours, original] = [keysOf(place, name), keysOf(join(fixtures, 'diffusers'), name)];
    assert.deepEqual(ours.keys, original.keys);
    assert.equal(ours.metadata.format, 'pt');
    const settings = JSON.parse(ours.metadata.lora_adapter_metadata!);
    const known = JSON.parse(original.metadata.lora_adapter_metadata!);
    assert.ok(
      Object.keys(settings).every((key) => key in known),
      'no setting that PEFT lacks',
    );
    assert.deepEqual(
      [settings['transformer.r'], settings['transformer.lora_alpha']],
      [known['transformer.r'], known['transformer.lora_alpha']],
    );

    saveLora(place, source.weights, { layout: 'peft' });
    const peft = 'adapter_model.safetensors';
    assert.deepEqual(keysOf(place, peft).keys, keysOf(join(fixtures, 'peft'), peft).keys);
    const config = (from: string) =>
      JSON.parse(readFileSync(join(from, 'adapter_config.json'), 'utf8'));
    const [own, other] = [config(place), config(join(fixtures, 'peft'))];
    assert.ok(
      Object.keys(own).every((key) => key in other),
      'no setting that PEFT lacks',
    );
    assert.deepEqual([own.r, own.lora_alpha, own.peft_type], [2, 6, 'LORA']);
    assert.deepEqual(own.rank_pattern, { 'blocks.1.fc1': 3 });
  });
});
