import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEPTH_ANYTHING_PRESETS,
  DEPTH_ANYTHING_PROCESSOR,
  DepthAnything,
  depthFlops,
} from '../../../src/models/depth-anything/index.js';
import { withParameters } from '../../../src/nn/index.js';

test('depthFlops is every product of the network at its own size', () => {
  const config = DEPTH_ANYTHING_PRESETS['depth-anything-v2-small'];
  const size = { width: 1036, height: 518 };
  const [patches, layers, width] = [74 * 37, 12, 384];
  const areas = [16 * patches, 4 * patches, patches, patches / 4];
  let expected = layers * 4 * (patches + 1) ** 2 * width; // attention
  const network = withParameters({ device: 'meta' }, () => new DepthAnything(config));
  for (const [name, { shape, numel }] of network.namedParameters()) {
    if (shape.length < 2 || /position|token/.test(name)) continue;
    // fusion layers are listed from the deepest stage up; the deepest has nothing to join
    const [, kind, place] =
      /(reassemble_stage\.layers|convs|fusion_stage\.layers)\.(\d)/.exec(name) ?? [];
    const at = kind?.startsWith('fusion') ? 3 - Number(place) : Number(place);
    let outputs = patches;
    if (name.includes('encoder.layer')) outputs = patches + 1;
    else if (name.startsWith('head.'))
      outputs = name.includes('conv1') ? 4 * areas[0]! : 196 * patches;
    else if (name.includes('.resize.')) outputs = at < 2 ? patches : areas[at]!;
    else if (kind === 'convs' || name.includes('residual_layer')) outputs = areas[at]!;
    else if (kind?.startsWith('fusion')) outputs = at === 0 ? 4 * areas[0]! : areas[at - 1]!;
    if (at === 3 && name.includes('residual_layer1')) outputs = 0;
    expected += 2 * numel * outputs;
  }
  network.dispose();
  const counted = depthFlops(config, DEPTH_ANYTHING_PROCESSOR, size);
  assert.ok(Math.abs(counted / expected - 1) < 1e-9, `${counted} for ${expected}`);
});
