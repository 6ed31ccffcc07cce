/** Trains the transformer, and with it the text encoder if that is not frozen, stage after stage. */
import { writeFileSync } from 'node:fs';
import type { Parallel } from '../../distributed/parallel.js';
import type { Pipeline } from '../../pipeline/index.js';
import type { Target } from '../../tasks/index.js';
import { saveSafetensors, type Tensor } from '../../tensor/index.js';
import { flopsCounter, type SharedWork } from '../cost/cost.js';
import { matrixPeak } from '../cost/peak.js';
import type { TrainedNetworks } from '../cost/trained-networks.js';
import type { FeedPosition, StepBatch } from '../feed/batch.js';
import { AHEAD } from '../feed/feed.js';
import { trainLoop } from '../loop/loop.js';
import { sumsOf } from '../loop/means.js';
import type { Stage } from '../recipe/config.js';
import { prefixed } from '../recipe/trained-names.js';
import { alignmentHead } from './alignment.js';
import { type Balance, balanceAfter, factorsAt } from './balance.js';
import type { PartContext } from './context.js';
import { FLOW_MATCHING } from './flow-matching.js';
import { optimizerPlan } from './optimizer-plan.js';
import { taskSheets } from './sample-sheets.js';
import { type SentAhead, type StepPlan, sendAhead, trainStep } from './step.js';
import { exportTrainee, type TrainedPipeline, trainableParameters } from './trained-pipeline.js';
import { validationLosses } from './validation.js';

/** Batches that are planned when a step ends: those that the feed prepares, and one that is sent. */
const TAKEN_AHEAD = AHEAD + 1;

/** @returns false if the signal stopped it */
export async function trainTransformer(
  trainee: TrainedPipeline,
  context: PartContext,
): Promise<boolean> {
  const { run, recipe, report, signal, data } = context;
  const { pipeline } = trainee;
  const stages = data.stages.filter(({ distillation }) => !distillation);
  const { seed } = recipe;
  const head = alignmentHead(recipe, pipeline.transformer);
  const parameters = new Map([
    ...trainableParameters(trainee, recipe),
    ...prefixed('alignment', head?.namedParameters() ?? []),
  ]);
  const encodeText = data.encodeText(trainee);
  const flopsOf = stepCost(pipeline, parameters);

  let heldOut: { stage: number; batches: StepBatch[] } | null = null;
  const validation = async (stage: number): Promise<StepBatch[]> => {
    if (heldOut?.stage !== stage) {
      heldOut = { stage, batches: await data.validation(stages[stage]!) };
    }
    return heldOut.batches;
  };

  const planOf = (stage: Stage): StepPlan => {
    const { sequence } = run.parallel.split(stage.sequenceParallel);
    return { ...stage, seed, sequence, encodeText, alignmentHead: head };
  };

  return trainLoop<StepBatch, SentAhead>({
    part: 'transformer',
    run,
    stages,
    seed,
    parameters,
    optimizer: optimizerPlan(recipe, pipeline.transformer, parameters.keys()),
    open(stage, position, doneAt, memory) {
      const factors = (batch: number) => factorsAt(memory() as Balance | null, batch);
      return data.open(stages[stage]!, position, doneAt, factors);
    },
    remember(figures, { stage, position, memory }) {
      const { balance: power } = stages[stage]!;
      if (power === 0) return null;
      const taken = (position as FeedPosition | null)?.step ?? 0;
      return balanceAfter(memory as Balance | null, figures, { from: taken + TAKEN_AHEAD, power });
    },
    train(batch, at) {
      const stage = stages[at.stage]!;
      const { work, ...outcome } = trainStep(pipeline, batch, at, planOf(stage), FLOW_MATCHING);
      return { ...outcome, flops: flopsOf(outcome.samples, work, batch.target, stage) };
    },
    send: (batch, { step, stage }) =>
      sendAhead(pipeline, batch, step, planOf(stages[stage]!), FLOW_MATCHING),
    peakFlops: matrixPeak(pipeline.dtype, pipeline.device),
    validatesFirst: [recipe.base, recipe.transformer.from, recipe.init].some(Boolean),
    async validate(stage, _, tell) {
      const plan = { ...stages[stage]!, encodeText, signal, tell };
      return validationLosses(pipeline, await validation(stage), run.parallel, plan);
    },
    async sample(stage, step, tell) {
      if (run.parallel.rank !== 0) return {};
      const batches = await validation(stage);
      const figures = await taskSheets(pipeline, batches, {
        run,
        seed,
        step,
        signal,
        tokensAtOnce: tokensAtOnce(stages[stage]!, run.parallel),
        tell,
        onSheet: (task, path) => run.logSheet(`samples/${task}`, path, step),
      });
      exportTrainee(trainee, run);
      return sumsOf(figures);
    },
    dump: dumpBatch,
    lessMemory: (stage) => lessMemory(stages[stage]!, run.parallel),
    report,
    signal,
  });
}

/** What would take less memory than a stage takes, as a phrase. */
export function lessMemory(stage: Stage, parallel: Parallel): string {
  const half = Math.floor(tokensAtOnce(stage, parallel) / 2) * stage.sequenceParallel;
  const fewer = `set tokensPerMicroBatch to ${half}`;
  return stage.gradCheckpointing ? fewer : `turn gradCheckpointing on, or ${fewer}`;
}

/** The number of tokens that a process computes at once in training. */
export function tokensAtOnce(stage: Stage, { size }: Parallel): number {
  const { tokensPerBatch, tokensPerMicroBatch = Infinity, sequenceParallel } = stage;
  return Math.min(tokensPerBatch / size, tokensPerMicroBatch / sequenceParallel);
}

/** A function that counts the operations of a step, forward and backward. */
export function stepCost(
  pipeline: Pipeline,
  parameters: ReadonlyMap<string, Tensor>,
): (samples: number, work: SharedWork, target: Target, stage: Stage) => number {
  const { transformer, autoencoder, textEncoder, settings, dtype } = pipeline;
  const networks: TrainedNetworks = {
    transformer: transformer.config,
    promptLength: settings.promptLength,
    textEncoder: { parameters: textEncoder.parameterCount() },
    autoencoder: { parameters: autoencoder.parameterCount() },
    dtype: dtype === 'float32' ? 'float32' : 'bfloat16',
    trained: new Map([...parameters].map(([name, { numel }]) => [name, numel])),
  };
  const flopsOf = flopsCounter(networks);
  return (samples, { conditions, textTokens, encodedTokens, forwards }, target, stage) => {
    if (samples === 0) return 0;
    const { split, whole } = flopsOf(target, stage, {
      conditions: conditions / samples,
      textTokens: textTokens / samples,
      encodedTokens: encodedTokens / samples,
      forwards: forwards / samples,
    });
    return samples * (split + whole);
  };
}

/**
 * Writes `PATH.json`, which names the samples and the reason, and `PATH.safetensors` with their
 * latents.
 */
export function dumpBatch({ samples, target }: StepBatch, path: string, why: object): void {
  const latents = samples.map((sample) => [`latents.${sample.index}`, sample.latents] as const);
  saveSafetensors(`${path}.safetensors`, Object.fromEntries(latents));
  const rows = samples.map(({ where, index, task, prompt }) => ({
    where,
    index,
    task: task.id,
    prompt,
  }));
  writeFileSync(`${path}.json`, JSON.stringify({ ...why, target, samples: rows }, null, 2));
}
