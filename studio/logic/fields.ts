/** The fields of a form, from a task's JSON Schema. */
import type { Task } from '../api/types.js';

/** What a form is made of in the JSON Schema of a field. */
export interface JsonSchema {
  type?: string | readonly string[];
  description?: string;
  default?: unknown;
  enum?: readonly unknown[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  anyOf?: readonly JsonSchema[];
  oneOf?: readonly JsonSchema[];
}

export type Field = {
  name: string;
  label: string;
  hint: string;
  /** shown while nothing is entered */
  placeholder: string;
} & (
  | { kind: 'text'; long: boolean }
  | { kind: 'number'; whole: boolean; min: number | null; max: number | null }
  | { kind: 'choice'; options: readonly string[] }
  // null: what it is unless it is set is not known
  | { kind: 'switch'; usual: boolean | null }
);

export interface FieldGroups {
  /** what most people set */
  main: readonly Field[];
  /** everything else, in the order of the schema */
  more: readonly Field[];
}

/** These have editors of their own, or are not a person's to set. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  ...['task', 'model', 'prompt', 'input_reference', 'inputs', 'mask', 'invert_mask', 'expand'],
  ...['known', 'depth', 'depth_from', 'reference', 'lora', 'metadata', 'extra_params', 'seconds'],
]);

const MAIN: readonly string[] = [
  ...['num_frames', 'size', 'upscale', 'num_inference_steps', 'guidance_scale', 'seed'],
];

const LABELS: Readonly<Record<string, string>> = {
  num_frames: 'Frames',
  fps: 'Frames per second',
  num_inference_steps: 'Steps',
  guidance_scale: 'Guidance',
  use_t_schedule: 'More steps at high noise',
  noise_aug_strength: 'Noise on the input',
  cache_threshold: 'Reuse steps (cache)',
  upscale: 'Larger by',
  keep_known: 'Keep what is known exactly',
  depth_is: 'Depth values are',
  output_format: 'File format',
  output_compression: 'Quality (JPEG, WebP)',
};

export function fieldsOf(task: Task): FieldGroups {
  const fields = Object.entries<JsonSchema>(task.schema.properties)
    .filter(([name]) => !ELSEWHERE.has(name))
    .map(([name, property]) => fieldOf(name, property, usualOf(task, name)))
    .filter((field) => field !== null);
  const main = MAIN.map((name) => fields.find((field) => field.name === name));
  return {
    main: main.filter((field) => field !== undefined),
    more: fields.filter(({ name }) => !MAIN.includes(name)),
  };
}

/** Whether a person sets a field of the task by the form, or by an editor of its own. */
export const hasForm = (task: Task, name: string): boolean => {
  const property: JsonSchema | undefined = task.schema.properties[name];
  return !property || ELSEWHERE.has(name) || fieldOf(name, property, undefined) !== null;
};

/** What a field is if nothing is entered. */
function usualOf({ defaults, size, follows_input: follows }: Task, name: string): unknown {
  const isOfInput = (name === 'size' && size !== 'pipeline') || (name === 'num_frames' && follows);
  return isOfInput ? 'as the input' : defaults[name as keyof Task['defaults']];
}

function fieldOf(name: string, property: JsonSchema, taskDefault: unknown): Field | null {
  const schema = usual(property);
  const types = [schema.type ?? []].flat();
  const fallback = taskDefault ?? property.default ?? schema.default;
  const common = {
    name,
    label: LABELS[name] ?? sentence(name),
    hint: property.description ?? schema.description ?? '',
    placeholder: shown(fallback) || (name === 'seed' ? 'random' : ''),
  };
  if (schema.enum) return { ...common, kind: 'choice', options: schema.enum.map(String) };
  if (types.includes('boolean'))
    return { ...common, kind: 'switch', usual: typeof fallback === 'boolean' ? fallback : null };
  if (name === 'seed') return { ...common, kind: 'text', long: false };
  if (types.includes('integer') || types.includes('number')) {
    const { minimum = schema.exclusiveMinimum ?? null, maximum = null } = schema;
    const whole = !types.includes('number');
    return { ...common, kind: 'number', whole, min: sensible(minimum), max: sensible(maximum) };
  }
  if (types.includes('string')) return { ...common, kind: 'text', long: name.endsWith('prompt') };
  return null; // objects and lists have no simple field
}

/** Of several forms that a value may have, the one that a person would enter. */
function usual(property: JsonSchema): JsonSchema {
  const forms = property.anyOf ?? property.oneOf;
  if (!forms) return property;
  const rank = ({ type, enum: values }: JsonSchema) =>
    values
      ? 0
      : ['boolean', 'number', 'integer', 'string'].indexOf(String([type].flat()[0])) + 1 || 9;
  return [...forms].sort((a, b) => rank(a) - rank(b))[0] ?? property;
}

/** Bounds that are only those of the number format say nothing to a person. */
const sensible = (bound: number | null): number | null =>
  bound !== null && Math.abs(bound) < 1e15 ? bound : null;

const shown = (value: unknown): string =>
  typeof value === 'number'
    ? String(Number(value.toPrecision(4)))
    : typeof value === 'string'
      ? value
      : '';

function sentence(name: string): string {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A field for a number of things, of which there is at least one. */
export const countField = (label: string): Field => ({
  name: label,
  label,
  hint: '',
  placeholder: '',
  kind: 'number',
  whole: true,
  min: 1,
  max: null,
});

/** A field's value for the request; undefined if it is empty, and a sentence if it cannot be sent. */
export function readField(field: Field, text: string): { value: unknown } | { problem: string } {
  const trimmed = text.trim();
  if (trimmed === '') return { value: undefined };
  if (field.kind !== 'number')
    return { value: field.kind === 'switch' ? trimmed === 'true' : trimmed };
  const value = Number(trimmed);
  if (!Number.isFinite(value)) return { problem: `${field.label} must be a number.` };
  if (field.whole && !Number.isInteger(value))
    return { problem: `${field.label} must be a whole number.` };
  if (field.min !== null && value < field.min)
    return { problem: `${field.label} must be at least ${field.min}.` };
  if (field.max !== null && value > field.max)
    return { problem: `${field.label} must be at most ${field.max}.` };
  return { value };
}
