import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { featureDistance, looksOf } from '../../../src/eval/metrics/feature-distance.js';
import type { Frames } from '../../../src/media/index.js';
import { framesToTensor } from '../../../src/media/index.js';
import { openEfficientNet } from '../../../src/models/efficientnet/index.js';
import {
  memoryInfo,
  readTorchFile,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../../../src/tensor/index.js';
import { temporaryFolder } from '../../temp-folder.js';

/**
 * A network with the layout of EfficientNet-Lite0, but 2 to 9 channels, and what PyTorch 1.13 computes with
 * it: efficientnet_lite_pytorch 0.1.0 with random weights and statistics of batch norms, written by
 * torch.save in the format before 1.6. Distances are by the lines of lpips 0.1.4 (normalize_tensor, sum
 * over channels, mean over places).
 */
const fixtures = join(dirname(fileURLToPath(import.meta.url)), 'fixtures');
const TINY = join(fixtures, 'tiny.pth');
const golden = JSON.parse(readFileSync(join(fixtures, 'tiny.json'), 'utf8')) as {
  shapes: number[][];
  stages: { mean: number; absolute: number; first: number[]; last: number[] }[];
  pooled: number[][];
  distances: number[];
};

const folder = temporaryFolder();

/** Of odd size, so that the padding of strides is uneven. */
function picture(k: number, numFrames = 1): Frames {
  const [width, height] = [45, 38];
  const data = new Uint8Array(width * height * 3 * numFrames);
  for (let i = 0; i < data.length; i++) {
    const [c, x] = [i % 3, Math.floor(i / 3) % width];
    const y = Math.floor(i / 3 / width) % height;
    data[i] = (x * (7 + k) + y * (13 - 2 * k) + c * 31 + Math.floor((x * y * (k + 3)) / 7)) % 256;
  }
  return { width, height, numFrames, data };
}

/** Float32 sums in another order differ in the sixth digit. */
function near(actual: ArrayLike<number>, expected: readonly number[], scale = 1): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    assert.ok(Math.abs(actual[i]! - value) < 2e-5 * scale, `${i}: ${actual[i]}, not ${value}`);
  });
}

const total = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe('EfficientNetFeatures', () => {
  test('are those that PyTorch computes', () => {
    const network = openEfficientNet(TINY);
    tidy(() => {
      const { stages, pooled } = network.forward(framesToTensor(picture(0)).squeeze(2));
      assert.deepEqual(
        stages.map(({ shape }) => shape),
        golden.shapes,
      );
      for (const [i, { mean, absolute, first, last }] of golden.stages.entries()) {
        const stage = stages[i]!;
        const at = (y: number, x: number) => stage.select(0, 0).select(1, y).select(1, x);
        const [, , height, width] = stage.shape as [number, number, number, number];
        near([stage.mean().item(), stage.abs().mean().item()], [mean, absolute]);
        near(at(0, 0).toFloat32Array(), first, 10);
        near(at(height - 1, width - 1).toFloat32Array(), last, 10);
      }
      near(pooled.toFloat32Array(), golden.pooled[0]!);
    });
    network.dispose();
  });

  test('give the distance of LPIPS’s formula, and whole pictures’ features', () => {
    const network = openEfficientNet(TINY);
    const [a, b] = [picture(0), picture(1)];
    const before = memoryInfo().tensors;
    near([featureDistance(network, b, a)], [total(golden.distances) / 5]);
    assert.equal(featureDistance(network, a, a), 0);
    const looks = looksOf(network, new Map([['b', b]]), a);
    near(looks.get('b')!.pooled, golden.pooled[1]!);
    assert.deepEqual(memoryInfo().tensors, before);
    network.dispose();
  });

  test('of clips are means over frames', () => {
    const network = openEfficientNet(TINY);
    const joined = (...parts: Frames[]): Frames => ({
      ...parts[0]!,
      numFrames: parts.length,
      data: Uint8Array.from(parts.flatMap(({ data }) => [...data])),
    });
    const [a, b] = [picture(0), picture(1)];
    const distance = featureDistance(network, joined(a, b, b, a), joined(a, a, a, a));
    near([distance], [total(golden.distances) / 10]);
    network.dispose();
  });
});

describe('openEfficientNet', () => {
  /** The tiny network's weights under other names. */
  function stored(file: string, nameOf: (name: string) => string | null): string {
    const tensors = readTorchFile(TINY);
    const kept = [...tensors].flatMap(([name, tensor]): [string, Tensor][] => {
      const other = nameOf(name);
      return other === null ? [] : [[other, tensor]];
    });
    const path = join(folder, file);
    saveSafetensors(path, new Map(kept));
    for (const tensor of tensors.values()) tensor.dispose();
    return path;
  }

  /** The hub's names, written out by hand for each kind of layer. */
  function hubName(name: string): string {
    const counts = [1, 2, 2, 3, 3, 4, 1];
    const [, number, conv, rest] = /^_blocks\.(\d+)\._(\w+?)\.(.*)$/.exec(name) ?? [];
    if (number === undefined) {
      return name.replace('_conv_', 'conv_').replace(/^_bn0/, 'bn1').replace(/^_bn1/, 'bn2');
    }
    let [level, place] = [0, Number(number)];
    while (place >= counts[level]!) place -= counts[level++]!;
    const first = { depthwise_conv: 'conv_dw', bn1: 'bn1', project_conv: 'conv_pw', bn2: 'bn2' };
    const others = {
      expand_conv: 'conv_pw',
      bn0: 'bn1',
      depthwise_conv: 'conv_dw',
      bn1: 'bn2',
      project_conv: 'conv_pwl',
      bn2: 'bn3',
    };
    const table: Record<string, string> = level === 0 ? first : others;
    return `blocks.${level}.${place}.${table[conv!]}.${rest}`;
  }

  test('reads the hub’s names and folders, too', () => {
    const path = stored('hub/model.safetensors', hubName);
    const opened = [
      openEfficientNet(path),
      openEfficientNet(dirname(path)),
      openEfficientNet(TINY),
    ];
    const [b, a] = [picture(1), picture(0)];
    const [first, ...others] = opened.map((network) => featureDistance(network, b, a));
    for (const other of others) assert.equal(other, first);
    for (const network of opened) network.dispose();
    mkdirSync(join(folder, 'pypi'));
    copyFileSync(TINY, join(folder, 'pypi', 'weights.pth'));
    openEfficientNet(join(folder, 'pypi')).dispose();
  });

  test('says what else a file or folder holds', () => {
    const cases: [string, RegExp][] = [
      [join(folder, 'none'), /none: no such file or folder; `mfm pull timm\/tf_efficientnet_lite0/],
      [stored('other.safetensors', (name) => `x.${name}`), /is not EfficientNet-Lite0; `mfm pull/],
      [
        stored('short.safetensors', (name) => (name === '_blocks.3._bn1.bias' ? null : name)),
        /is not EfficientNet-Lite0 \(it lacks _blocks\.3\._bn1\.bias\)/,
      ],
      [
        stored('b0.safetensors', (name) => name.replace('_bn0.num', '_blocks.16._bn0.bias_')),
        /is not EfficientNet-Lite0 \(it has _blocks\.16\._bn0\.bias_/,
      ],
    ];
    mkdirSync(join(folder, 'empty'));
    cases.push([
      join(folder, 'empty'),
      /must hold model\.safetensors or one \.pth file, has neither/,
    ]);
    writeFileSync(join(folder, 'notes.txt'), 'notes');
    cases.push([join(folder, 'notes.txt'), /notes\.txt: /]);
    for (const [place, sentence] of cases) {
      assert.throws(() => openEfficientNet(place), { message: sentence, exitCode: 2 });
    }
  });
});
