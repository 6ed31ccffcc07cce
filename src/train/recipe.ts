/** Reads a recipe: YAML, `--set` changes, and all problems at once. */
import { existsSync, readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { z } from 'zod';
import { InputError } from '../errors.js';
import { didYouMean } from '../suggest.js';
import { TASK_IDS } from '../tasks/index.js';
import { Recipe } from './config.js';

export interface Change {
  path: string[];
  value: unknown;
}

/** @throws InputError listing every problem: the key, what is wrong, what would be right */
export function readRecipe(path: string, changes: readonly Change[] = []): Recipe {
  if (!existsSync(path)) throw new InputError(`${path}: no such recipe; recipes/ holds some`);
  let source: unknown;
  try {
    source = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw new InputError(`${path}: must be YAML (${reason})`, { cause });
  }
  if (typeof source !== 'object' || source === null || Array.isArray(source)) {
    throw new InputError(`${path}: must hold keys and values, as recipes/mfm-mini.yaml does`);
  }
  for (const change of changes) apply(source as Record<string, unknown>, change);
  const parsed = Recipe.safeParse(source);
  const problems = parsed.success
    ? otherProblems(parsed.data)
    : parsed.error.issues.flatMap(explain);
  if (problems.length > 0) {
    const count = `${problems.length} problem${problems.length === 1 ? '' : 's'}`;
    throw new InputError(`${path}: ${count}\n${problems.map((p) => `  ${p}`).join('\n')}`);
  }
  return parsed.data!;
}

function apply(source: Record<string, unknown>, { path, value }: Change): void {
  let level = source;
  for (const key of path.slice(0, -1)) {
    if (typeof level[key] !== 'object' || level[key] === null) level[key] = {};
    level = level[key] as Record<string, unknown>;
  }
  level[path.at(-1)!] = value;
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

/** The keys that the schema has at a path, for suggestions. */
function keysAt(path: PropertyKey[]): string[] {
  let schema: unknown = Recipe;
  for (const key of path) {
    const shape = shapeOf(schema);
    schema = shape ? shape[String(key)] : undefined;
  }
  return Object.keys(shapeOf(schema) ?? {});
}

function shapeOf(schema: unknown): Record<string, unknown> | undefined {
  let current = schema as { shape?: Record<string, unknown>; def?: { innerType?: unknown } };
  while (current && !current.shape && current.def?.innerType) {
    current = current.def.innerType as typeof current;
  }
  return current?.shape;
}

/** What a schema cannot see. */
function otherProblems(recipe: Recipe): string[] {
  const problems: string[] = [];
  const frames = [
    ...recipe.autoencoder.batches.map((b, i) => [
      `autoencoder.batches.${i}.numFrames`,
      b.numFrames,
    ]),
    ['latents.numFrames', recipe.latents.numFrames],
  ] as [string, number][];
  for (const [key, value] of frames) {
    if (value % 4 !== 1) problems.push(`${key}: must be 4k + 1 (1, 5, 9, …), got ${value}`);
  }
  const named = {
    'transformer.tasks': recipe.transformer.tasks ?? {},
    'pipeline.taskSettings': recipe.pipeline.taskSettings ?? {},
  };
  for (const [key, tasks] of Object.entries(named)) {
    for (const task of Object.keys(tasks)) {
      if ((TASK_IDS as readonly string[]).includes(task)) continue;
      problems.push(`${key}.${task}: unknown task; there are ${TASK_IDS.join(', ')}`);
    }
  }
  const { blockOutChannels, normNumGroups } = recipe.autoencoder;
  for (const width of blockOutChannels) {
    if (width % normNumGroups !== 0) {
      problems.push(
        `autoencoder.blockOutChannels: must be multiples of normNumGroups (${normNumGroups}), got ${width}`,
      );
    }
  }
  if (blockOutChannels.length !== 4) {
    problems.push(
      `autoencoder.blockOutChannels: must be 4 widths (8 times smaller in space), got ${blockOutChannels.length}`,
    );
  }
  return problems;
}
