/** Help for the keys of a configuration, generated from its schema and the texts in `.describe()`. */
import { z } from 'zod';
import { section } from '../../terminal/help.js';

interface JsonSchema {
  type?: string | string[];
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

/** A section with a line per key, e.g. `train.steps  optimizer steps (integer, default 500)`. */
export function schemaHelp(heading: string, schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'inline' });
  return section(heading, rows(json as JsonSchema, ''));
}

function rows(schema: JsonSchema, prefix: string): [string, string][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]): [string, string][] => {
    if (value.properties) {
      const nested = rows(value, `${prefix}${key}.`);
      return value.description ? [[`${prefix}${key}`, value.description], ...nested] : nested;
    }
    const notes = [kindOf(value)];
    if (value.default !== undefined) notes.push(`default ${JSON.stringify(value.default)}`);
    const text = value.description ?? '';
    const note = `(${notes.filter((part) => part !== '').join(', ')})`;
    return [[prefix + key, note === '()' ? text : `${text} ${note}`.trim()]];
  });
}

function kindOf(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.join(' | ');
  if (schema.const !== undefined) return String(schema.const);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return [...new Set(alternatives.map(kindOf))].join(' | ');
  if (schema.type === 'array') return `list of ${kindOf(schema.items ?? {}) || 'values'}`;
  return Array.isArray(schema.type) ? schema.type.join(' | ') : (schema.type ?? '');
}
