/**
 * Distils a trained transformer to few steps: a copy of it with one more time embedding, whose output
 * is zero at first, learns the average velocity over steps of any length. Guidance becomes part of
 * its weights.
 */
import { SchedulerConfig } from '../../diffusion/config.js';
import { isFlowMap, Transformer3D } from '../../models/transformer/index.js';
import { withParameters } from '../../nn/index.js';
import { Pipeline, type PipelineSettings, residentPart } from '../../pipeline/index.js';
import { type DType, noGrad, type Tensor, tidy } from '../../tensor/index.js';
import { matrixPeak } from '../cost/peak.js';
import type { StepBatch } from '../feed/batch.js';
import { trainLoop } from '../loop/loop.js';
import { sumsOf } from '../loop/means.js';
import { prefixed } from '../recipe/trained-names.js';
import type { PartContext } from './context.js';
import { fewStepErrors, type Reference } from './few-step-errors.js';
import { flowMapObjective } from './flow-map.js';
import { taskSheets } from './sample-sheets.js';
import { type SentAhead, sendAhead, trainStep } from './step.js';
import { exportTrainee, type TrainedPipeline } from './trained-pipeline.js';
import { dumpBatch, lessMemory, stepCost, tokensAtOnce } from './transformer.js';
import { validationLosses } from './validation.js';

/**
 * @param trainee   the teacher, or where the student begins that is its own; it is not changed
 * @returns the distilled pipeline; null if the signal stopped it
 */
export async function distil(
  trainee: TrainedPipeline,
  context: PartContext,
): Promise<TrainedPipeline | null> {
  const { run, recipe, report, signal, data } = context;
  const { seed } = recipe;
  const teacher = trainee.pipeline;
  const stage = data.stages.at(-1)!;
  const plan = stage.distillation!;
  for (const network of [teacher.transformer, teacher.textEncoder]) network.requiresGrad_(false);
  const student = studentOf(trainee, plan.inferenceSteps);
  const { pipeline } = student;
  if (plan.velocity === 'data') teacher.transformer.dispose(); // nothing asks it
  const parameters = new Map(prefixed('transformer', pipeline.transformer.namedParameters()));
  const encodeText = data.encodeText(student);
  const objective = flowMapObjective(teacher, plan);
  const flopsOf = stepCost(pipeline, parameters);

  let heldOut: StepBatch[] | null = null;
  const validation = async () => {
    heldOut ??= await data.validation(stage);
    return heldOut;
  };
  const references = new Map<StepBatch, Reference>();

  const { sequence } = run.parallel.split(stage.sequenceParallel);
  const stepPlan = { ...stage, seed, sequence, encodeText };
  const finished = await trainLoop<StepBatch, SentAhead>({
    part: 'distillation',
    run,
    stages: [{ ...stage, name: 'all' }],
    seed,
    parameters,
    open: (_, position, doneAt) => data.open(stage, position, doneAt),
    train(batch, at) {
      const { work, ...outcome } = trainStep(pipeline, batch, at, stepPlan, objective);
      return { ...outcome, flops: flopsOf(outcome.samples, work, batch.target, stage) };
    },
    send: (batch, { step }) => sendAhead(pipeline, batch, step, stepPlan, objective),
    peakFlops: matrixPeak(pipeline.dtype, pipeline.device),
    validatesFirst: true,
    async validate(_, __, tell) {
      if (plan.velocity === 'data') {
        const how = { ...stage, encodeText, signal, tell };
        return validationLosses(pipeline, await validation(), run.parallel, how);
      }
      return fewStepErrors({
        teacher,
        student: pipeline,
        batches: await validation(),
        references,
        parallel: run.parallel,
        tokensAtOnce: tokensAtOnce(stage, run.parallel),
        signal,
        tell,
      });
    },
    async sample(_, step, tell) {
      if (run.parallel.rank !== 0) return {};
      const figures = await taskSheets(pipeline, await validation(), {
        run,
        part: 'distillation',
        seed,
        step,
        signal,
        tokensAtOnce: tokensAtOnce(stage, run.parallel),
        tell,
        onSheet: (task, path) => run.logSheet(`samples/${task}`, path, step),
      });
      exportTrainee(student, run);
      return sumsOf(figures);
    },
    dump: dumpBatch,
    lessMemory: () => lessMemory(stage, run.parallel),
    report,
    signal,
  });
  for (const { latents } of references.values()) latents.dispose();
  return finished ? student : null;
}

/**
 * The pipeline that learns: the teacher's networks, a copy of its transformer that is a flow map, and
 * the settings of one.
 */
export function studentOf(trainee: TrainedPipeline, inferenceSteps: number): TrainedPipeline {
  const { pipeline: teacher } = trainee;
  const scheduler = SchedulerConfig.parse({
    _class_name: 'FlowMapEulerDiscreteScheduler',
    num_train_timesteps: teacher.scheduler.num_train_timesteps,
    shift: teacher.scheduler.shift,
  });
  const pipeline = new Pipeline(
    {
      transformer: residentPart(asFlowMap(teacher.transformer, teacher.dtype)),
      autoencoder: residentPart(teacher.autoencoder),
      textEncoder: residentPart(teacher.textEncoder),
    },
    teacher.tokenizer,
    scheduler,
    fewStepSettings(teacher.settings, inferenceSteps),
    teacher.dtype,
  );
  return { ...trainee, pipeline, lora: null };
}

/**
 * A copy of a transformer that is a flow map. Its second time embedder begins as the first, with an
 * output layer of zeros, so that until it is trained the output is the same, whatever the step.
 */
export function asFlowMap(teacher: Transformer3D, dtype: DType): Transformer3D {
  const { config } = teacher;
  const isOne = isFlowMap(config);
  const student = withParameters(
    { device: 'meta' },
    () => new Transformer3D({ ...config, deltatime_type: config.deltatime_type ?? 't-r' }),
  );
  noGrad(() =>
    tidy(() => {
      const state = new Map<string, Tensor>();
      for (const [name, weight] of teacher.stateDict()) state.set(name, weight.clone());
      for (const layer of isOne ? [] : ['linear_1', 'linear_2']) {
        for (const kind of ['weight', 'bias']) {
          const first = state.get(`time_embedder.timestep_embedder.${layer}.${kind}`)!;
          const own = layer === 'linear_2' ? first.zerosLike() : first.clone();
          state.set(`time_embedder.delta_embedder.${layer}.${kind}`, own);
        }
      }
      student.loadStateDict(state, { dtype });
    }),
  );
  return student.train();
}

/** Guidance is part of the weights, and steps are few, for every task. */
function fewStepSettings(settings: PipelineSettings, numInferenceSteps: number): PipelineSettings {
  const tasks = Object.entries(settings.taskSettings).map(([id, own]) => {
    const { guidanceScale: _, numInferenceSteps: __, ...others } = own;
    return [id, others] as const;
  });
  return {
    ...settings,
    numInferenceSteps,
    guidanceScale: 1,
    taskSettings: Object.fromEntries(tasks.filter(([, own]) => Object.keys(own).length > 0)),
  };
}
