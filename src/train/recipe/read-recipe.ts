/** Reads a recipe from YAML, applies changes to single keys, and reports all problems at once. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse } from 'yaml';
import type { z } from 'zod';
import { inOurWords, listProblems } from '../../check-config.js';
import { sceneFacts } from '../../data/miniworld/sample.js';
import { InputError } from '../../errors.js';
import { structureOf } from '../../files/read-json.js';
import { readRegularSync } from '../../files/regular-file.js';
import { TRANSFORMER_PRESETS } from '../../models/transformer/config.js';
import { didYouMean } from '../../suggest.js';
import {
  allTasks,
  shortcomings,
  type Task,
  taskOf,
  trainsAdapter,
  weightedTasks,
} from '../../tasks/index.js';
import {
  type DepthPlan,
  depthInFull,
  isUsedFor,
  namedIn,
  onlyDistils,
  type PipelineRecipe,
  Recipe,
  type Source,
  type Stage,
  trainsPipeline,
} from './config.js';
import { OptimizerChoice, SHIFT_KINDS, shiftInFull } from './levers-config.js';
import { missingBlocks } from './missing-blocks.js';
import { resolvePaths } from './recipe-paths.js';
import { stagesOf } from './stages.js';

/** Sets a key to a value, given as it is or as a text of YAML; null removes the key. */
export type Change = { path: string[] } & ({ value: unknown } | { text: string });

/**
 * @param changes   applied after the recipe is read; paths in them are relative to the current folder
 * @param say       receives a sentence about each path that may not mean what its author expects
 * @param ownTasks  tasks that the recipe may name beside those of mfm
 * @throws InputError listing every problem: the key, what is wrong with it, and what would be valid
 */
export function readRecipe(
  path: string,
  changes: readonly Change[] = [],
  say: (sentence: string) => void = () => {},
  ownTasks: readonly Task[] = [],
): Recipe {
  if (!existsSync(path)) throw new InputError(`${path}: no such recipe; recipes/ holds some`);
  let source: unknown;
  try {
    source = parseBounded(readRegularSync(path).toString('utf8'));
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    const reason = (cause as Error).message.split('\n')[0];
    throw new InputError(`${path}: must be YAML (${reason})`, { cause });
  }
  if (typeof source !== 'object' || source === null || Array.isArray(source)) {
    throw new InputError(`${path}: must hold keys and values, as recipes/mfm-mini.yaml does`);
  }
  resolvePaths(source, dirname(path), say);
  return checkRecipe(source, path, { changes, ownTasks });
}

/**
 * Checks keys and values, and fills in the defaults; `source` may be modified.
 *
 * @param where   what the error message begins with
 * @throws InputError listing every problem, as `readRecipe`
 */
export function checkRecipe(
  source: object,
  where: string,
  { changes = [], ownTasks = [] }: { changes?: readonly Change[]; ownTasks?: readonly Task[] } = {},
): Recipe {
  const impossible = changes.flatMap((change) => apply(source as Record<string, unknown>, change));
  // to distil a finished transformer, nothing need be said about it
  if (own(source, 'distillation') != null && own(source, 'transformer') == null) {
    set(source, 'transformer', {});
  }
  const parsed = Recipe.safeParse(source, { error: inOurWords });
  const problems = parsed.success
    ? otherProblems(parsed.data, ownTasks)
    : [
        ...parsed.error.issues.flatMap(explain),
        ...problemsBeside(parsed.error.issues, source, ownTasks),
      ];
  const all = [...impossible, ...problems];
  if (all.length > 0) throw new InputError(listProblems(where, all));
  return parsed.data!;
}

/** The longest recipe in characters, and its deepest nesting: they bound the parser's time. */
const MOST_LENGTH = 2 ** 20;
const MOST_DEPTH = 100;

/** Parses YAML, unless it is longer or more deeply nested than any recipe. */
function parseBounded(text: string): unknown {
  if (text.length > MOST_LENGTH) throw new Error(`it has ${text.length} characters`);
  // quotes are left out, as an apostrophe in a comment opens nothing
  if (structureOf(text.replaceAll('"', '')).depth > MOST_DEPTH) {
    throw new Error(`it is nested more than ${MOST_DEPTH} levels deep`);
  }
  return parse(text);
}

/**
 * Applies a change to own properties only, whatever they are called; keys that do not exist are left
 * for the schema to refuse.
 * @returns what is wrong with the change; empty if nothing is
 */
function apply(source: Record<string, unknown>, change: Change): string[] {
  const { path } = change;
  const value = 'text' in change ? fromYaml(change.text) : change.value;
  if (value === null) return unset(source, path);
  let level: object = source;
  for (const [i, key] of path.entries()) {
    const at = path.slice(0, i + 1);
    if (Array.isArray(level) && !isPlaceIn(level, key, level.length)) {
      return [
        `${at.join('.')}: must be a place in the list, ${level.length} for a new one at its end, got "${key}"`,
      ];
    }
    if (i === path.length - 1) set(level, key, value);
    else {
      if (at.join() === 'depth') set(level, key, depthInFull(own(level, key) as DepthPlan));
      if (key === 'timestepShift') set(level, key, shiftInFull(own(level, key)));
      const next = own(level, key);
      if (typeof next !== 'object' || next === null) set(level, key, isList(at) ? [] : {});
      level = own(level, key) as object;
    }
  }
  return [];
}

/** Removes a key, which returns it to its default, or an item of a list. */
function unset(source: object, path: readonly string[]): string[] {
  const where = path.join('.');
  const known = keysAt(path.slice(0, -1));
  const key = path.at(-1)!;
  if (known.length > 0 && !known.includes(key)) {
    return [`${where}: unknown key${didYouMean(key, known)}`];
  }
  let level: unknown = source;
  for (const name of path.slice(0, -1)) level = isObject(level) ? own(level, name) : undefined;
  if (isObject(level) && Object.hasOwn(level, key)) {
    if (!Array.isArray(level)) Reflect.deleteProperty(level, key);
    else if (isPlaceIn(level, key, level.length - 1)) level.splice(Number(key), 1);
    return [];
  }
  // a key that the schema knows is at its default already
  return known.length > 0 ? [] : [`${where}: cannot be taken away, as the recipe does not have it`];
}

const isPlaceIn = (list: readonly unknown[], key: string, last: number): boolean =>
  /^\d+$/.test(key) && Number(key) <= Math.min(last, list.length);

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const own = (level: object, key: string): unknown =>
  Object.getOwnPropertyDescriptor(level, key)?.value;

function set(level: object, key: string, value: unknown): void {
  Object.defineProperty(level, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** Parses YAML; a text that is not YAML, such as a pattern with stars, stands for itself. */
function fromYaml(text: string): unknown {
  if (text.trim() === '') return text;
  try {
    return parseBounded(text);
  } catch {
    return text;
  }
}

function explain(issue: z.core.$ZodIssue): string[] {
  const where = (keys: PropertyKey[]) => keys.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(issue.path);
    return issue.keys.map(
      (key) => `${where([...issue.path, key])}: unknown key${didYouMean(key, known)}`,
    );
  }
  return [`${where(issue.path)}: ${issue.message}`];
}

/** The keys that the schema allows at a path, for suggestions; none where any key is allowed. */
function keysAt(path: readonly PropertyKey[]): string[] {
  return Object.keys(schemaAt(path)?.shape ?? {});
}

const isList = (path: readonly PropertyKey[]): boolean =>
  schemaAt(path)?.def?.element !== undefined;

function schemaAt(path: readonly PropertyKey[]): Unwrapped | undefined {
  let schema = unwrapped(Recipe);
  for (const key of path) schema = unwrapped(schema?.shape?.[String(key)] ?? schema?.def?.element);
  return schema;
}

interface Unwrapped {
  /** the keys of an object */
  shape?: Record<string, unknown>;
  /** `element` of an array; `innerType` or `in` of a schema that wraps another */
  def?: { element?: unknown; innerType?: unknown; in?: unknown };
}

function unwrapped(schema: unknown): Unwrapped | undefined {
  let current = schema as Unwrapped | undefined;
  for (let inner: unknown; ; current = inner as Unwrapped) {
    inner = current?.def?.innerType ?? current?.def?.in;
    if (inner === undefined) return current;
  }
}

/**
 * Checks that the schema cannot express. One that reads a faulty key waits until that is corrected.
 */
const CHECKS: readonly {
  check: (recipe: PipelineRecipe, ownTasks: readonly Task[]) => string[];
  reads: readonly string[];
}[] = [
  {
    check: nameProblems,
    reads: [...ofPlan('timestepShift'), 'distillation.timestepShift', 'distillation.guidance'],
  },
  { check: stepsProblems, reads: ['transformer.steps', 'transformer.stages'] },
  { check: widthProblems, reads: ['autoencoder.blockOutChannels', 'autoencoder.normNumGroups'] },
  {
    check: originProblems,
    reads: ['base', 'scheduler', ...ofPlan('lora', 'preset', 'conditionScale', 'adapter')],
  },
  { check: finishedProblems, reads: ['base', 'autoencoder', 'textEncoder', 'depthModel'] },
  { check: adapterProblems, reads: ofPlan('from', 'adapter', 'stages', 'tasks') },
  { check: optimizerProblems, reads: ofPlan('optimizer') },
  { check: loraProblems, reads: ofPlan('optimizer', 'learningRateWidth') },
  {
    check: distillationProblems,
    reads: ['base', 'distillation', ...ofPlan('steps', 'stages', 'lora')],
  },
  { check: depthProblems, reads: ['depth', 'data', 'transformer.stages'] },
  {
    check: sequenceProblems,
    reads: ['base', 'distillation', ...ofPlan('preset', 'numHeads', 'stages', 'sequenceParallel')],
  },
  {
    check: blockProblems,
    reads: ['base', ...ofPlan('preset', 'numLayers', 'stages', 'tokenRouting', 'alignment')],
  },
  {
    check: stageProblems,
    reads: [
      'data',
      'distillation',
      ...ofPlan('stages', 'tasks', 'imageShare', 'mixAt', 'width', 'height', 'numFrames'),
    ],
  },
];

function ofPlan(...keys: (keyof PipelineRecipe['transformer'])[]): string[] {
  return keys.map((key) => `transformer.${key}`);
}

/** @param faulty   keys with invalid values: checks that read them are left out */
function otherProblems(
  recipe: Recipe,
  ownTasks: readonly Task[],
  faulty: readonly string[] = [],
): string[] {
  const overlap = (a: string, b: string) => `${a}.`.startsWith(`${b}.`);
  const problems = depthModelProblems(recipe);
  if (!trainsPipeline(recipe)) return [...problems, ...alone(recipe)];
  const others = CHECKS.filter(
    ({ reads }) => !reads.some((key) => faulty.some((f) => overlap(f, key) || overlap(key, f))),
  ).flatMap(({ check }) => check(recipe, ownTasks));
  return [...problems, ...others];
}

/** A recipe without a transformer trains a depth model, and nothing else. */
function alone({ depthModel, base, init }: Recipe): string[] {
  if (!depthModel) {
    return [
      'transformer: is missing; a recipe trains a transformer, a depth model (depthModel) or both',
    ];
  }
  const given = Object.entries({ base, init, 'depthModel.from': depthModel.from });
  return given
    .filter(([, folder]) => folder !== undefined)
    .map(([key]) => `${key}: has no effect without a transformer; leave it out`);
}

function depthModelProblems({ depthModel }: Recipe): string[] {
  if (!depthModel) return [];
  const { hiddenSize, numHeads, patchSize, width, height } = depthModel;
  const problems = Object.entries({ width, height })
    .filter(([, side]) => side % patchSize !== 0)
    .map(
      ([key, side]) =>
        `depthModel.${key}: must be a multiple of patchSize (${patchSize}), got ${side}`,
    );
  if (hiddenSize % numHeads !== 0) {
    problems.push(`depthModel.numHeads: must divide hiddenSize (${hiddenSize}), got ${numHeads}`);
  }
  return problems;
}

/**
 * Further problems of a recipe that its schema refuses, found by checking it without the faulty
 * keys.
 */
function problemsBeside(
  issues: readonly z.core.$ZodIssue[],
  source: object,
  ownTasks: readonly Task[],
): string[] {
  const paths = issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) => [...issue.path, key])
      : [issue.path],
  );
  const rest = structuredClone(source);
  for (const path of paths) remove(rest, path);
  const parsed = Recipe.safeParse({ name: 'unnamed', transformer: {}, ...rest });
  return parsed.success
    ? otherProblems(
        parsed.data,
        ownTasks,
        paths.map((path) => path.join('.')),
      )
    : [];
}

/** Removes a key; of a faulty list item, the whole list. */
function remove(source: object, path: readonly PropertyKey[]): void {
  let level = source as Record<PropertyKey, unknown>;
  for (const key of path.slice(0, -1)) {
    const next = level[key];
    if (typeof next !== 'object' || next === null) return;
    if (Array.isArray(next)) {
      delete level[key];
      return;
    }
    level = next as Record<PropertyKey, unknown>;
  }
  delete level[path.at(-1)!];
}

/** Unknown tasks, an empty list of tasks, and stages with the same name. */
function nameProblems(
  { transformer, distillation, pipeline, data }: PipelineRecipe,
  ownTasks: readonly Task[],
): string[] {
  const known = allTasks(ownTasks).map(({ id }) => id);
  const { stages = [] } = transformer;
  const named: [key: string, ids: string[]][] = [
    ['transformer.tasks', Object.keys(transformer.tasks ?? {})],
    ...stages.map(({ tasks }, i): [string, string[]] => [
      `transformer.stages.${i}.tasks`,
      Object.keys(tasks ?? {}),
    ]),
    ['distillation.tasks', Object.keys(distillation?.tasks ?? {})],
    ['distillation.guidance', Object.keys(distillation?.guidance ?? {})],
    ...sourceTasks('data', data),
    ...sourceTasks('distillation.data', distillation?.data ?? []),
    ...stages.flatMap((stage, i) => sourceTasks(`transformer.stages.${i}.data`, stage.data ?? [])),
    ['pipeline.tasks', pipeline.tasks ?? []],
    ['pipeline.taskSettings', Object.keys(pipeline.taskSettings ?? {})],
  ];
  const problems = named.flatMap(([key, ids]) =>
    ids
      .filter((id) => !known.includes(id))
      .map((id) => `${key}.${id}: unknown task; there are ${known.join(', ')}`),
  );
  const shifts: [key: string, shift: unknown][] = [
    ['transformer', transformer.timestepShift],
    ...stages.map((stage, i): [string, unknown] => [
      `transformer.stages.${i}`,
      stage.timestepShift,
    ]),
    ['distillation', distillation?.timestepShift],
  ];
  for (const [key, shift] of shifts) {
    const keys: string[] = [...SHIFT_KINDS, ...known];
    for (const one of Object.keys(typeof shift === 'object' ? shift! : {})) {
      if (keys.includes(one)) continue;
      problems.push(`${key}.timestepShift.${one}: unknown key${didYouMean(one, keys)}`);
    }
  }
  if (pipeline.tasks?.length === 0) {
    problems.push('pipeline.tasks: must name a task; leave it out for all that are trained');
  }
  stages.forEach(({ name }, i) => {
    if (stages.findIndex((stage) => stage.name === name) === i) return;
    problems.push(
      `transformer.stages.${i}.name: must differ from the stages before it, got "${name}"`,
    );
  });
  return problems;
}

/** The tasks that sources name. */
const sourceTasks = (key: string, data: readonly Source[]): [key: string, ids: string[]][] =>
  data.map(({ tasks }, i) => [`${key}.${i}.tasks`, namedIn(tasks)]);

/** Every stage needs a number of steps, its own or the plan's. */
function stepsProblems({ transformer: { steps, stages }, ...recipe }: PipelineRecipe): string[] {
  if (steps !== undefined || (recipe.distillation && !stages)) return [];
  if (!stages) return ['transformer.steps: is missing; give the number of optimizer steps'];
  return stages.flatMap((stage, i) =>
    stage.steps === undefined
      ? [
          `transformer.stages.${i}.steps: is missing; give it here, or for all stages as transformer.steps`,
        ]
      : [],
  );
}

function widthProblems({ autoencoder }: Recipe): string[] {
  const { blockOutChannels, normNumGroups } = autoencoder;
  const key = 'autoencoder.blockOutChannels';
  const problems = blockOutChannels
    .filter((width) => width % normNumGroups !== 0)
    .map((w) => `${key}: must be multiples of normNumGroups (${normNumGroups}), got ${w}`);
  if (blockOutChannels.length !== 4) {
    problems.push(
      `${key}: must be 4 widths (8 times smaller in space), got ${blockOutChannels.length}`,
    );
  }
  return problems;
}

/**
 * Weights that would come from two places, and LoRA layers that would be added to untrained
 * weights.
 */
function originProblems(recipe: PipelineRecipe): string[] {
  const { base, init, autoencoder, textEncoder, transformer, scheduler } = recipe;
  const said = {
    init: init !== undefined,
    'autoencoder.from': autoencoder.from !== undefined,
    'textEncoder.from': textEncoder.from !== undefined,
    'transformer.from': transformer.from !== undefined,
    'transformer.numLayers': transformer.numLayers !== undefined,
    'transformer.numHeads': transformer.numHeads !== undefined,
    'transformer.adapterChannels': transformer.adapterChannels !== undefined,
    'transformer.preset': transformer.preset !== 'mfm-mini',
    'transformer.conditionScale': transformer.conditionScale !== 1 && !transformer.adapter,
    'transformer.adapter': transformer.adapter !== undefined && !transformer.lora,
    'scheduler.shift': scheduler.shift !== Recipe.shape.scheduler.parse(undefined).shift,
  };
  const problems = Object.entries(said)
    .filter(([, isSaid]) => base !== undefined && isSaid)
    .map(([key]) => `${key}: is determined by base already; leave one of them out`);
  const keeping = [
    {
      key: 'train',
      asked: autoencoder.train === 'decoder',
      need: 'decoder needs',
      all: 'train all',
    },
    { key: 'keepLatents', asked: autoencoder.keepLatents > 0, need: 'needs', all: 'leave it out' },
  ];
  for (const { key, asked, need, all } of keeping) {
    if (asked && (base ?? autoencoder.from) !== undefined) {
      problems.push(
        `autoencoder.${key}: has no effect, as ${base ? 'base' : 'autoencoder.from'} has a finished autoencoder; leave it out, or give the pipeline folder as init`,
      );
    } else if (asked && init === undefined) {
      problems.push(
        `autoencoder.${key}: ${need} a trained encoder; give its pipeline folder as init, or ${all}`,
      );
    }
  }
  if (autoencoder.train === 'decoder' && autoencoder.keepLatents > 0) {
    problems.push(
      'autoencoder.keepLatents: has no effect, as train: decoder leaves the encoder as it is; leave one of them out',
    );
  }
  if (transformer.lora && base === undefined) {
    problems.push('transformer.lora: needs trained weights; give their pipeline folder as base');
  }
  return problems;
}

/** Keys of networks that are not trained, as their weights are given. */
function finishedProblems(recipe: PipelineRecipe): string[] {
  const { base } = recipe;
  const { shape } = Recipe;
  const plans = {
    autoencoder: { inBase: true, defaults: shape.autoencoder.parse(undefined) },
    textEncoder: { inBase: true, defaults: shape.textEncoder.parse(undefined) },
    depthModel: { inBase: false, defaults: shape.depthModel.parse({}) },
  };
  return Object.entries(plans).flatMap(([part, { inBase, defaults }]) => {
    const plan: Record<string, unknown> = recipe[part as keyof typeof plans] ?? {};
    const origin =
      inBase && base !== undefined ? 'base' : plan.from !== undefined && `${part}.from`;
    if (!origin) return [];
    return Object.entries(plan)
      .filter(([key]) => !SAID_ELSEWHERE.includes(key))
      .filter(([key, value]) => !isEqual(value, (defaults as Record<string, unknown>)[key]))
      .map(
        ([key]) => `${part}.${key}: has no effect, as ${origin} has finished weights; leave it out`,
      );
  });
}

/** Keys that `originProblems` is about. */
const SAID_ELSEWHERE = ['from', 'train', 'keepLatents'];

const isEqual = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** An adapter that is trained already, or that no task needs. */
function adapterProblems(recipe: PipelineRecipe, ownTasks: readonly Task[]): string[] {
  const { adapter, from } = recipe.transformer;
  if (!adapter || recipe.base !== undefined) return [];
  if (from !== undefined) {
    return [
      'transformer.adapter: transformer.from has a trained adapter already; leave one of them out',
    ];
  }
  const { tasks } = stagesOf(recipe, ownTasks).at(-1)!;
  return weightedTasks(tasks, ownTasks).some(({ task }) => trainsAdapter(task))
    ? []
    : [
        'transformer.adapter: learns from tasks that make clips from a condition, and the last stage has none; leave it out',
      ];
}

/** Muon's own keys, where AdamW updates all. */
function optimizerProblems({ transformer: { optimizer } }: PipelineRecipe): string[] {
  if (optimizer.name === 'muon') return [];
  const defaults = OptimizerChoice.parse({});
  return Object.entries(optimizer)
    .filter(([key, value]) => value !== defaults[key as keyof typeof defaults])
    .map(
      ([key]) =>
        `transformer.optimizer.${key}: has no effect on adamw; leave it out, or say name: muon`,
    );
}

/** Keys that would train weights beside LoRA layers, although `lora/` can hold only the layers. */
function loraProblems({ transformer }: PipelineRecipe): string[] {
  if (!transformer.lora) return [];
  const problems = (['train', 'adapter'] as const)
    .filter((key) => transformer[key] !== undefined)
    .map(
      (key) =>
        `transformer.${key}: trains weights that a LoRA cannot hold; leave out either ${key} or lora`,
    );
  if (transformer.optimizer.name === 'muon') {
    problems.push(
      'transformer.optimizer.name: muon updates whole matrices, which a LoRA does not train; leave out either optimizer or lora',
    );
  }
  if (transformer.learningRateWidth !== undefined) {
    problems.push(
      'transformer.learningRateWidth: has no effect with lora, whose layers have a rate of their own; leave it out',
    );
  }
  if (transformer.freeze) {
    problems.push(
      'transformer.freeze: has no effect with lora, which trains no weights; leave it out: lora.targets chooses what gets layers',
    );
  }
  return problems;
}

/** A distillation without a trained transformer, or of one that is frozen. */
function distillationProblems(recipe: PipelineRecipe): string[] {
  const { base, distillation, transformer } = recipe;
  if (!distillation) return [];
  const problems: string[] = [];
  if (onlyDistils(recipe) && base === undefined) {
    problems.push(
      'distillation: needs a trained transformer; give its pipeline folder as base, or transformer.steps to train one first',
    );
  }
  if (distillation.velocity === 'teacher' && Object.keys(distillation.guidance).length > 0) {
    problems.push(
      'distillation.guidance: has no effect with a teacher, whose own guidance is learnt; leave it out, or train from the samples (velocity: data)',
    );
  }
  if (transformer.lora) {
    problems.push(
      'transformer.lora: cannot be distilled in the same run, as a LoRA cannot hold a flow map; merge it into a pipeline first (`mfm lora merge`), which is then the base',
    );
  }
  if (onlyDistils(recipe)) {
    const { train, freeze, optimizer, learningRateWidth } = transformer;
    const given = {
      train,
      freeze,
      learningRateWidth,
      optimizer: optimizer.name !== 'adamw' || undefined,
    };
    for (const [key, value] of Object.entries(given)) {
      if (value === undefined) continue;
      problems.push(
        `transformer.${key}: has no effect on a distillation, which trains all of the transformer with AdamW; leave it out`,
      );
    }
  }
  if (transformer.stages?.some(({ name }) => name === 'distillation')) {
    problems.push(
      'transformer.stages: none may be called distillation beside the key of that name',
    );
  }
  return problems;
}

/** A depth model that nothing would be estimated with, or for scenes that are not known ahead. */
function depthProblems(recipe: PipelineRecipe): string[] {
  const { from, model } = recipe.depth;
  const sources = [recipe.data, ...stagesOf(recipe).map(({ data }) => data)].flat();
  if (from === 'model' && sources.some(({ miniworld }) => miniworld?.reuse !== undefined)) {
    return [
      'depth.from: model estimates the depth of scenes ahead of training, and cannot with miniworld.reuse, for which new ones are drawn all the time; leave out either',
    ];
  }
  if (model === undefined || from === 'auto' || from === 'model') return [];
  return [
    `depth.model: has no effect with depth.from: ${from}; leave out the model, or take depth from it (from: model, or auto)`,
  ];
}

/** Processes that split a sample also split its attention heads, so they must divide their number. */
function sequenceProblems(recipe: PipelineRecipe): string[] {
  const { preset, numHeads } = recipe.transformer;
  const heads = numHeads ?? TRANSFORMER_PRESETS[preset].num_attention_heads;
  return stagesOf(recipe).flatMap(({ sequenceParallel }, i) => {
    if (recipe.base !== undefined || heads % sequenceParallel === 0) return [];
    const key = stageKey(recipe, i);
    return [`${key}.sequenceParallel: must divide the ${heads} heads, got ${sequenceParallel}`];
  });
}

/** Blocks that a network does not have; those of a `base` are checked when it is opened. */
function blockProblems(recipe: PipelineRecipe): string[] {
  const { preset, numLayers } = recipe.transformer;
  if (recipe.base !== undefined) return [];
  return missingBlocks(recipe, numLayers ?? TRANSFORMER_PRESETS[preset].num_layers);
}

/** Where the recipe describes a stage of `stagesOf`. */
function stageKey(recipe: PipelineRecipe, index: number): string {
  if (stagesOf(recipe)[index]!.distillation) return 'distillation';
  return recipe.transformer.stages ? `transformer.stages.${index}` : 'transformer';
}

/** Tasks that a stage's data cannot teach, and batches for which there is no task. */
function stageProblems(recipe: PipelineRecipe, ownTasks: readonly Task[]): string[] {
  const known = allTasks(ownTasks).map(({ id }) => id);
  return stagesOf(recipe, ownTasks).flatMap((stage, i) => {
    const { tasks = {}, imageShare, mixAt, data } = stage;
    if (!Object.keys(tasks).every((id) => known.includes(id))) return []; // reported already
    const key = stageKey(recipe, i);
    // which tasks files are good for is known only when they are opened
    const ofScenes = data.every(({ miniworld }) => miniworld !== undefined);
    const lacks = (task: Task) => (ofScenes ? lacking(task, stage) : []);
    const problems = Object.keys(tasks).flatMap((id) => {
      const task = taskOf(id, ownTasks);
      const what = task.result === 'image' ? 'images' : `clips of ${stage.numFrames} frames`;
      if (!data.some((source) => isUsedFor(id, source))) {
        return [
          `${key}.tasks.${id}: no source of its data is used for it; change the tasks of a source, or leave it out here`,
        ];
      }
      const why = lacks(task).join(', ');
      return why ? [`${key}.tasks.${id}: cannot be learnt from ${what} (${why})`] : [];
    });
    const holds = (result: Task['result']) =>
      !ofScenes ||
      data.some(({ miniworld }) => miniworld![result === 'image' ? 'images' : 'clips'] > 0);
    if (!weightedTasks(stage.tasks, stage.ownTasks).some(({ task }) => holds(task.result))) {
      problems.push(`${key}.tasks: need images or clips, but miniworld makes 0 of them`);
    }
    const results = weightedTasks(stage.tasks, stage.ownTasks)
      .filter(({ task }) => lacks(task).length === 0)
      .map(({ task }) => task.result);
    const shares = mixAt === 0 ? imageShare.slice(1) : imageShare;
    const got = `got [${imageShare.join(', ')}]`;
    if (!results.includes('image') && shares.some((share) => share > 0)) {
      problems.push(`${key}.imageShare: must be [0, 0] where no task makes an image, ${got}`);
    }
    if (!results.includes('video') && shares.some((share) => share < 1)) {
      problems.push(`${key}.imageShare: must be [1, 1] where no task makes a clip, ${got}`);
    }
    return problems;
  });
}

/** What scenes of a stage's size and length lack for a task, as phrases. */
export function lacking(task: Task, { width, height, numFrames }: Stage): string[] {
  const facts = sceneFacts({ width, height, numFrames: task.result === 'image' ? 1 : numFrames });
  return shortcomings(task, facts, { minSide: Math.min(width, height) });
}
