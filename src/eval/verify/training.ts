/** Verifies whole small training runs, using the functions of real training. */
import { readdirSync } from 'node:fs';
import {
  addNoise,
  sigmasFromNormal,
  timestepsOf,
  velocityLoss,
  velocityTarget,
} from '../../diffusion/index.js';
import { InputError } from '../../errors.js';
import { parseTransformerConfig, Transformer3D } from '../../models/transformer/index.js';
import { withParameters } from '../../nn/index.js';
import { AdamW, Ema, schedules } from '../../optim/index.js';
import { cat, type Tensor, tidy } from '../../tensor/index.js';
import { groupRows, type Limit, openFixture, readSideCar, row, tensorsOf } from './fixture.js';
import type { Verifier, VerifyRow } from './types.js';

interface Run {
  config: Record<string, unknown>;
  cond_block_out_channels?: number[];
  hyperparameters: {
    optimizer: string;
    learning_rate: number;
    betas: [number, number];
    eps: number;
    weight_decay: number;
    clip_grad_norm: number;
    ema_decay: number;
    warmup_steps: number;
    grad_accum_steps: number;
    timestep_shift: number;
    steps: number;
  };
  loss_per_step: number[];
  grad_norm_per_step: number[];
  lr_per_step: number[];
}

const LOSS: Limit = { tolerance: 1e-5, measure: 'relative' };
const GRAD_NORM: Limit = { tolerance: 1e-4, measure: 'relative' };
const WEIGHTS: Limit = { tolerance: 3e-4, measure: 'max abs / max' };
const LEARNING_RATE: Limit = { tolerance: 1e-7, measure: 'relative' };
/** Not in the README's table: our sigmas from the stored normal values; allows for float32 rounding. */
const SIGMA: Limit = { tolerance: 1e-6, measure: 'max abs' };

export const verifyTraining: Verifier = function* (folder, device) {
  for (const file of readdirSync(folder).sort()) {
    if (!/^train_.*\.json$/.test(file)) continue;
    const name = file.replace(/\.json$/, '');
    yield* tidy(() => verifyRun(folder, device, name, readSideCar<Run>(folder, file)));
  }
};

function verifyRun(folder: string, device: string, name: string, run: Run): VerifyRow[] {
  const { hyperparameters: h } = run;
  if (h.optimizer !== 'AdamW') {
    throw new InputError(`${name}.json: optimizer must be AdamW, got ${h.optimizer}`);
  }
  const model = newModel(folder, device, name, run);
  const parameters = model.namedParameters();
  const optimizer = new AdamW(parameters, {
    betas: h.betas,
    eps: h.eps,
    weightDecay: h.weight_decay,
  });
  const ema = new Ema(parameters, h.ema_decay);
  const schedule = schedules.withWarmup(schedules.constant, h.warmup_steps);
  const data = tensorsOf(openFixture(folder, `${name}_data.safetensors`, device));

  const losses: number[] = [];
  const gradNorms: number[] = [];
  const learningRates: number[] = [];
  const passRows: VerifyRow[] = [];
  const sigmaRows: VerifyRow[] = [];
  for (let step = 0; step < h.steps; step++) {
    let stepLoss = 0;
    for (let micro = 0; micro < h.grad_accum_steps; micro++) {
      const index = step * h.grad_accum_steps + micro;
      const loss = tidy(() => {
        const pass = passOf(data, index);
        const sigma = sigmasFromNormal(pass('normal'), h.timestep_shift);
        sigmaRows.push(row(name, `micro${index}.sigma`, sigma, pass('sigma'), SIGMA));
        const result = microStep(model, pass, sigma);
        result.div(h.grad_accum_steps).backward();
        passRows.push(row(name, `micro${index}.loss`, result.item(), pass('loss').item(), LOSS));
        return result.item();
      });
      stepLoss += loss / h.grad_accum_steps;
    }
    const learningRate = h.learning_rate * schedule(step);
    const { gradNorm } = optimizer.step({ learningRate, clipGradNorm: h.clip_grad_norm });
    optimizer.zeroGrad();
    ema.update(parameters);
    losses.push(stepLoss);
    gradNorms.push(gradNorm);
    learningRates.push(learningRate);
  }

  const weights = (kind: string, got: ReadonlyMap<string, Tensor>) => {
    const wanted = tensorsOf(openFixture(folder, `${name}_${kind}.safetensors`, device));
    const rows = [...wanted].map(([key, want]) =>
      row(name, key, got.get(key) ?? [], want, WEIGHTS),
    );
    return groupRows(kind, rows);
  };
  const rows = [
    groupRows('micro*.sigma', sigmaRows),
    groupRows('micro*.loss', passRows),
    row(name, 'loss_per_step', losses, run.loss_per_step, LOSS),
    row(name, 'grad_norm_per_step', gradNorms, run.grad_norm_per_step, GRAD_NORM),
    row(name, 'lr_per_step', learningRates, run.lr_per_step, LEARNING_RATE),
    weights('final', parameters),
    weights('ema', new Map(Object.entries(ema.stateDict()))),
  ];
  optimizer.dispose();
  ema.dispose();
  model.dispose();
  return rows;
}

/** Loss of one forward pass. */
function microStep(model: Transformer3D, pass: Pass, sigmas: Tensor): Tensor {
  const [latents, noise] = [pass('latents'), pass('noise')];
  const velocity = model.predict(addNoise(latents, noise, sigmas), {
    timesteps: timestepsOf(sigmas),
    motionScores: model.config.add_motion_score ? pass('motion_score') : null,
    text: pass('text'),
    textMask: pass('text_mask'),
    pixels: model.config.use_depth_cond ? cat([pass('pixels'), pass('depth')], 1) : pass('pixels'),
    mask: pass('mask'),
  });
  return velocityLoss(velocity, velocityTarget(latents, noise));
}

type Pass = (name: string) => Tensor;

function passOf(data: Map<string, Tensor>, index: number): Pass {
  return (name) => {
    const found = data.get(`micro${index}.${name}`);
    if (!found) throw new InputError(`fixture: must hold micro${index}.${name}, got none`);
    return found;
  };
}

function newModel(folder: string, device: string, name: string, run: Run): Transformer3D {
  const widths = run.cond_block_out_channels;
  const config = parseTransformerConfig(
    { ...run.config, ...(widths && { cond_block_out_channels: widths }) },
    `${folder}/${name}.json`,
  );
  const model = withParameters({ init: 'empty', device }, () => new Transformer3D(config));
  const file = `${name}_initial.safetensors`;
  const stored = tensorsOf(openFixture(folder, file, device));
  // copies, since training modifies weights, and the tensors
  // of a mapped file are shared with other readers
  const weights = new Map([...stored].map(([key, value]) => [key, value.clone()]));
  model.loadStateDict(weights, { where: `${folder}/${file}` });
  return model.train().requiresGrad_(true);
}
