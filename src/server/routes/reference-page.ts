/** The reference of the API as one page without scripts, from its specification. */
import { escapeText as e, htmlPage } from '../../html.js';

type Schema = {
  $ref?: string;
  type?: string | string[];
  format?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
};
interface Operation {
  summary?: string;
  tags?: string[];
  parameters?: {
    name: string;
    in: string;
    required?: boolean;
    schema?: Schema;
    description?: string;
  }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}
interface Specification {
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, Schema> };
}

export function referencePage({ info, paths, components }: Specification): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const tags = [...new Set(operations.flatMap(({ operation }) => operation.tags ?? []))];
  const sections = tags.map((tag) => {
    const own = operations.filter(({ operation }) => operation.tags?.includes(tag));
    return `<h2 id="${e(tag)}">${e(tag)}</h2>\n${own.map(operationHtml).join('\n')}`;
  });
  const schemas = Object.entries(components?.schemas ?? {}).map(
    ([name, schema]) => `<h3 id="schema-${e(name)}">${e(name)}</h3>${schemaHtml(schema)}`,
  );
  const links = [...tags, 'Schemas'].map((tag) => `<a href="#${e(tag)}">${e(tag)}</a>`).join(' ');
  return htmlPage(
    'The API of mfm',
    STYLE,
    `<h1>The API of mfm ${e(info.version)}</h1><p>${e(info.description ?? '')}
<a href="/openapi.json">OpenAPI 3.1</a></p><nav>${links}</nav>
${sections.join('\n')}<h2 id="Schemas">Schemas</h2>${schemas.join('\n')}`,
  );
}

function operationHtml({
  path,
  method,
  operation,
}: {
  path: string;
  method: string;
  operation: Operation;
}): string {
  const rows = (operation.parameters ?? []).map(
    ({ name, in: where, required, schema }) =>
      `<tr><td><code>${e(name)}</code></td><td>${e(where)}${required ? '' : ', optional'}</td><td>${typeHtml(schema ?? {})}</td></tr>`,
  );
  const body = Object.entries(operation.requestBody?.content ?? {}).map(
    ([type, { schema }]) => `<p>Takes ${typeHtml(schema)} as ${e(type)}.</p>`,
  );
  const answers = Object.entries(operation.responses)
    .filter(([status]) => status !== 'default')
    .map(([status, { content = {} }]) => {
      const kinds = Object.entries(content).map(([type, { schema }]) =>
        type === 'application/json' ? typeHtml(schema) : e(type),
      );
      return `<p>Answers ${e(status)}${kinds.length > 0 ? `: ${kinds.join(', ')}` : ''}.</p>`;
    });
  return `<section><h3><b>${e(method.toUpperCase())}</b> <code>${e(path)}</code></h3>
<p>${e(operation.summary ?? '')}.</p>${rows.length > 0 ? `<table>${rows.join('')}</table>` : ''}${body.join('')}${answers.join('')}</section>`;
}

function schemaHtml(schema: Schema): string {
  const { properties, required = [] } = schema;
  if (!properties) return `<p>${typeHtml(schema)}</p>`;
  const rows = Object.entries(properties).map(
    ([name, one]) =>
      `<tr><td><code>${e(name)}</code>${required.includes(name) ? '' : ' <i>optional</i>'}</td><td>${typeHtml(one)}</td><td>${e(one.description ?? '')}</td></tr>`,
  );
  return `<div class="wide"><table>${rows.join('')}</table></div>`;
}

/** A schema in a few words, with links to those that have names. */
function typeHtml(schema: Schema): string {
  if (schema.$ref) {
    const name = schema.$ref.split('/').at(-1)!;
    return `<a href="#schema-${e(name)}">${e(name)}</a>`;
  }
  const several = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (several) return several.map(typeHtml).join(schema.allOf ? ' and ' : ' or ');
  if (schema.enum)
    return schema.enum.map((one) => `<code>${e(JSON.stringify(one))}</code>`).join(', ');
  if (schema.const !== undefined) return `<code>${e(JSON.stringify(schema.const))}</code>`;
  if (schema.items) return `list of ${typeHtml(schema.items)}`;
  const type = [schema.type ?? 'anything'].flat().join(' or ');
  return e(schema.format ? `${type} (${schema.format})` : type);
}

const STYLE = `
:root { color-scheme: light dark }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1000px; margin: 0 auto; padding: 28px 20px 64px }
nav { display: flex; gap: 14px; flex-wrap: wrap } h2 { margin: 40px 0 4px } h3 { margin: 22px 0 2px; font-size: 15px }
p { margin: 2px 0 } .wide { overflow-x: auto }
table { border-collapse: collapse; margin: 6px 0; font-size: 13.5px }
td { text-align: left; vertical-align: top; padding: 3px 16px 3px 0; border-bottom: 1px solid #8884 }
code { overflow-wrap: anywhere }
`;
