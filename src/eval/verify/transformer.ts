/** Verifies the transformer, its rotary tables, its units and the flow-matching scheduler. */
import { readdirSync } from 'node:fs';
import { guideBatch } from '../../diffusion/index.js';
import { velocityLoss } from '../../diffusion/training.js';
import { InputError } from '../../errors.js';
import { parseTransformerConfig, Transformer3D } from '../../models/transformer/index.js';
import { withParameters } from '../../nn/index.js';
import { noGrad, type Tensor, tidy } from '../../tensor/index.js';
import {
  dequantised,
  groupRows,
  type Limit,
  openFixture,
  readSideCar,
  row,
  tensorsOf,
} from './fixture.js';
import { verifyMicro, verifyRope, verifyScheduler } from './transformer-units.js';
import type { Verifier, VerifyRow } from './types.js';

/** The fields of a case's side-car that are used. */
interface Case {
  case: string;
  config: Record<string, unknown>;
  cond_block_out_channels?: number[];
  i8_scales?: Record<string, number>;
  files: { weights: string; io: string; grads?: string };
}

const OUTPUT: Limit = { tolerance: 5e-5, measure: 'max abs / std' };
const EARLY: Limit = { tolerance: 2e-5, measure: 'max abs / std' };
const LATE: Limit = { tolerance: 5e-5, measure: 'max abs / std' };
const SINUSOID: Limit = { tolerance: 1e-4, measure: 'max abs' };
const TIME: Limit = { tolerance: 1e-4, measure: 'max abs / std' };
const LOSS: Limit = { tolerance: 2e-6, measure: 'relative' };
const GRADIENT: Limit = { tolerance: 1e-4, measure: 'max abs / max' };

/** Tolerances of the intermediate tensors. Source: the fixtures' README */
const INTERMEDIATES: [RegExp, Limit][] = [
  [/^(adapter|patch_proj|patch_tokens|rope_cos|rope_sin)$/, EARLY],
  [/^(block\.\d+\..*|norm_out|proj_out_\d)$/, LATE],
  [/^(time_proj|guidance_proj)$/, SINUSOID],
  [/^temb$/, TIME],
];

/** The arguments of the reference's forward pass that are supported; any other is an error. */
const INPUTS = [
  'hidden_states',
  'conditional_pixel_values',
  'conditional_masks',
  'encoder_hidden_states',
  'encoder_attention_mask',
  'timestep',
  'motion_score',
  'pos_embed',
];

export const verifyTransformer: Verifier = function* (folder, device) {
  const files = readdirSync(folder).sort();
  if (files.includes('micro.json')) yield* verifyMicro(folder, device);
  if (files.includes('rope.json')) yield* verifyRope(folder, device);
  if (files.includes('scheduler.json')) yield* verifyScheduler(folder);
  for (const file of files.filter((name) => /^tx_.*\.json$/.test(name))) {
    yield* tidy(() => verifyCase(folder, device, readSideCar<Case>(folder, file)));
  }
};

function verifyCase(folder: string, device: string, sideCar: Case): VerifyRow[] {
  const { case: name, files } = sideCar;
  const model = loadModel(folder, device, sideCar);
  try {
    const io = tensorsOf(openFixture(folder, files.io, device));
    const inputs = inputsOf(io, name);
    if (files.grads) {
      const grads = tensorsOf(openFixture(folder, files.grads, device));
      return withGradients(name, model, io, inputs, grads);
    }
    const trace = new Map<string, Tensor>();
    const sample = noGrad(() => run(model, inputs, trace));
    return compare(name, io, sample, trace);
  } finally {
    model.dispose();
  }
}

function withGradients(
  name: string,
  model: Transformer3D,
  io: Map<string, Tensor>,
  inputs: Map<string, Tensor>,
  grads: Map<string, Tensor>,
): VerifyRow[] {
  const wanted = [...grads].filter(([key]) => key.startsWith('grad.'));
  const leaves = new Map<string, Tensor>();
  for (const [parameter, value] of model.namedParameters()) leaves.set(`grad.${parameter}`, value);
  for (const [key] of wanted.filter(([key]) => key.startsWith('grad.input.'))) {
    const argument = key.slice('grad.input.'.length);
    inputs.set(argument, need(inputs, argument).clone().requiresGrad_());
    leaves.set(key, need(inputs, argument));
  }

  const trace = new Map<string, Tensor>();
  const sample = run(model, inputs, trace);
  const rows = compare(name, io, sample, trace);
  const loss = velocityLoss(sample, need(grads, 'target'));
  rows.push(row(name, 'loss', loss.item(), need(grads, 'loss').item(), LOSS));
  loss.backward();
  const gradRows = wanted.map(([key, want]) =>
    row(name, key, leaves.get(key)?.grad ?? [], want, GRADIENT),
  );
  return [...rows, groupRows('grad.*', gradRows)];
}

/** Rows for every output that the fixture lists; a missing one fails. */
function compare(
  name: string,
  io: Map<string, Tensor>,
  sample: Tensor,
  trace: Map<string, Tensor>,
): VerifyRow[] {
  const rows: VerifyRow[] = [];
  const blocks: VerifyRow[] = [];
  for (const [key, want] of io) {
    if (key.startsWith('input.')) continue;
    if (key === 'output.sample') {
      rows.push(row(name, key, sample, want, OUTPUT));
    } else if (key.startsWith('output.cfg_scale_')) {
      const scale = Number(key.slice('output.cfg_scale_'.length));
      rows.push(row(name, key, guideBatch(sample, scale), want, OUTPUT));
    } else {
      const mid = key.replace(/^mid\./, '');
      const limit = INTERMEDIATES.find(([pattern]) => pattern.test(mid))?.[1] ?? OUTPUT;
      const found = row(name, key, trace.get(mid) ?? [], want, limit);
      (mid.startsWith('block.') ? blocks : rows).push(found);
    }
  }
  if (blocks.length > 0) rows.push(groupRows('mid.block.*', blocks));
  return rows;
}

function run(model: Transformer3D, inputs: Map<string, Tensor>, trace: Map<string, Tensor>) {
  return model.predict(need(inputs, 'hidden_states'), {
    timesteps: need(inputs, 'timestep'),
    motionScores: inputs.get('motion_score'),
    text: need(inputs, 'encoder_hidden_states'),
    textMask: inputs.get('encoder_attention_mask'),
    pixels: need(inputs, 'conditional_pixel_values'),
    mask: inputs.get('conditional_masks'),
    ropeEmbedding: inputs.get('pos_embed'),
    trace,
  });
}

function loadModel(
  folder: string,
  device: string,
  { case: name, config, files, ...sideCar }: Case,
): Transformer3D {
  const widths = sideCar.cond_block_out_channels;
  const parsed = parseTransformerConfig(
    { ...config, ...(widths && { cond_block_out_channels: widths }) },
    `${folder}/${name}.json`,
  );
  const model = withParameters({ init: 'empty', device }, () => new Transformer3D(parsed));
  const weights = dequantised(openFixture(folder, files.weights, device), sideCar.i8_scales ?? {});
  model.loadStateDict(weights, { where: `${folder}/${files.weights}` });
  return model.eval().requiresGrad_(true);
}

function inputsOf(io: Map<string, Tensor>, name: string): Map<string, Tensor> {
  const inputs = new Map<string, Tensor>();
  for (const [key, value] of io) {
    if (!key.startsWith('input.')) continue;
    const argument = key.slice('input.'.length);
    if (!INPUTS.includes(argument)) {
      throw new InputError(`${name}: inputs must be among ${INPUTS.join(', ')}, got ${argument}`);
    }
    inputs.set(argument, value);
  }
  return inputs;
}

function need(tensors: Map<string, Tensor>, key: string): Tensor {
  const found = tensors.get(key);
  if (!found) throw new InputError(`fixture: must hold the tensor ${key}, got none`);
  return found;
}
