/**
 * Writes src/tensor/ops.ts: typed wrappers for the operators in operators.txt, generated from
 * LibTorch's own schemas, so that they cannot diverge. Run it with the oldest supported LibTorch:
 * later versions only add arguments at the end, with defaults.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { native } from '../src/tensor/native.js';

interface Argument {
  name: string;
  type: string;
  hasDefault: boolean;
  keyword: boolean;
}
interface Schema {
  fullName: string;
  args: Argument[];
  returns: string[];
  inPlace: boolean;
}

const here = (path: string) => new URL(path, import.meta.url);
const camel = (name: string) =>
  name.replace(/^_+/, '').replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const reserved = new Set(['var', 'function', 'default', 'in', 'new', 'switch', 'with', 'this']);
const safe = (name: string) => (reserved.has(name) ? `${name}_` : name);

function parse(fullName: string): Schema {
  const id = native.operatorId(`aten::${fullName}`);
  if (id < 0) throw new Error(`operators.txt: LibTorch has no operator aten::${fullName}`);
  const text = native.operatorSchema(id).replace(/\([a-z!|>* -]+\)/g, '');
  const match = text.match(/^[^(]+\((.*)\) -> (.*)$/);
  if (!match) throw new Error(`cannot parse the schema: ${text}`);
  let keyword = false;
  const args: Argument[] = [];
  for (const part of splitTopLevel(match[1]!)) {
    if (part === '*') {
      keyword = true;
      continue;
    }
    const found = part.match(/^(\S+) (\w+)(?:=(.*))?$/);
    if (!found) throw new Error(`cannot parse the argument "${part}" in ${text}`);
    const [, type, name, value] = found;
    args.push({
      name: camel(name!),
      type: type!,
      hasDefault: value !== undefined || type!.endsWith('?'),
      keyword,
    });
  }
  const returns = match[2]!.startsWith('(')
    ? splitTopLevel(match[2]!.slice(1, -1)).map((part) => part.split(' ')[0]!)
    : [match[2]!];
  return { fullName, args, returns, inPlace: /_(\.|$)/.test(fullName) };
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '[' || c === '(') depth++;
    else if (c === ']' || c === ')') depth--;
    else if ((c === ',' && depth === 0) || c === undefined) {
      if (text.slice(start, i).trim()) parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return parts;
}

const base = (type: string) => type.replace(/\[\d+\]/, '[]').replace('SymInt', 'int');

function typeOf(type: string): string {
  if (type.endsWith('?')) return `${typeOf(type.slice(0, -1))} | null`;
  if (/\[\d+\]$/.test(type)) return `number | ${typeOf(base(type))}`;
  switch (base(type)) {
    case 'Tensor':
      return 'Tensor';
    case 'Tensor[]':
      return 'readonly Tensor[]';
    case 'Tensor?[]':
      return 'readonly (Tensor | null)[]';
    case 'Scalar':
      return 'Scalar';
    case 'Scalar[]':
      return 'readonly Scalar[]';
    case 'bool':
      return 'boolean';
    case 'str':
      return 'string';
    case 'ScalarType':
      return 'DType';
    case 'MemoryFormat':
      return 'MemoryFormat';
    case 'Layout':
      return 'number';
    case 'Device':
      return 'string';
    case 'Generator':
      return 'Generator';
    case 'int[]':
    case 'float[]':
    case 'bool[]':
      return 'readonly number[]';
    default:
      return 'number';
  }
}

function pass(arg: Argument, name: string): string {
  const optional = arg.hasDefault ? '?' : '';
  const type = base(arg.type).replace(/\?$/, '');
  switch (type) {
    case 'Tensor':
      return arg.type.endsWith('?') ? `optionalHandle(${name})` : `${name}${optional}.handle`;
    case 'Tensor[]':
    case 'Tensor?[]':
      return `handlesOf(${name})`;
    case 'ScalarType':
      return `dtypeCode(${name})`;
    case 'MemoryFormat':
      return `formatCode(${name})`;
    case 'Generator':
      return `${name}?.id ?? null`;
    default:
      return name;
  }
}

function result(schema: Schema, expression: string, op: string): string {
  if (schema.returns.length === 0) return expression;
  if (schema.returns.length > 1) return `wrapList(${expression}, ${op}) as ${returnType(schema)}`;
  const type = schema.returns[0]!;
  if (type === 'Tensor') return `wrap(${expression}, ${op})`;
  if (type === 'Tensor[]') return `wrapList(${expression}, ${op})`;
  return `${expression} as ${typeOf(type)}`;
}

function returnType(schema: Schema): string {
  if (schema.returns.length === 0) return 'void';
  if (schema.returns.length > 1) return `[${schema.returns.map(() => 'Tensor').join(', ')}]`;
  return schema.returns[0] === 'Tensor[]' ? 'Tensor[]' : typeOf(schema.returns[0]!);
}

const opNames = new Map<string, string>();
function opOf(fullName: string): string {
  const name = `op_${fullName.replace('.', '_')}`;
  opNames.set(fullName, name);
  return name;
}

const functions: string[] = [];
const methods: string[] = [];

function emit(line: string): void {
  const [left, rename] = line.split('=').map((part) => part.trim());
  const schemas = left!.split('|').map((part) => parse(part.trim()));
  const first = schemas[0]!;
  const name = safe(camel(rename ?? first.fullName.split('.')[0]!));
  // the argument whose type distinguishes the overloads
  const varying =
    schemas.length > 1
      ? first.args.findIndex((arg, i) => arg.type !== schemas[1]!.args[i]?.type)
      : -1;

  const positional = first.args.filter((arg) => !arg.keyword);
  const keywords = first.args.filter(
    (arg) => arg.keyword && !['layout', 'pinMemory'].includes(arg.name),
  );
  const parameter = (arg: Argument): string => {
    const type = first.args.indexOf(arg) === varying ? 'Tensor | Scalar' : typeOf(arg.type);
    const trailing = positional.slice(positional.indexOf(arg)).every((later) => later.hasDefault);
    if (arg.hasDefault && trailing) return `${arg.name}?: ${type}`;
    return `${arg.name}: ${type}${arg.hasDefault ? ' | undefined' : ''}`;
  };
  const options = keywords.length
    ? [
        `{ ${keywords.map((arg) => arg.name).join(', ')} }: { ${keywords.map((arg) => `${arg.name}?: ${typeOf(arg.type)}`).join('; ')} } = {}`,
      ]
    : [];
  const callExpression = (schema: Schema): string => {
    const passed = schema.args.map((arg, i) =>
      ['layout', 'pinMemory'].includes(arg.name) ? 'undefined' : pass(arg, first.args[i]!.name),
    );
    while (passed.at(-1) === 'undefined') passed.pop();
    return `native.call(${[`idOf(${opOf(schema.fullName)})`, ...passed].join(', ')})`;
  };
  const body = (schema: Schema): string =>
    schema.inPlace && schema.returns.length > 0
      ? `${callExpression(schema)};\n    return ${first.args[0]!.name};`
      : schema.returns.length === 0
        ? `${callExpression(schema)};`
        : `return ${result(schema, callExpression(schema), opOf(schema.fullName))};`;

  const statements =
    varying < 0
      ? body(first)
      : `if (${first.args[varying]!.name} instanceof TensorMethods) {\n    ${body(first)}\n  }\n  ${body(schemas[1]!)}`;
  const schemaNote = schemas.map((schema) => `aten::${schema.fullName}`).join(' or ');
  const type = returnType(first);
  functions.push(
    `/** ${schemaNote} */\nexport function ${name}(${[...positional.map(parameter), ...options].join(', ')}): ${type} {\n  ${statements}\n}\n`,
  );
  if (first.args[0]?.name === 'self' && first.args[0].type === 'Tensor') {
    const rest = positional.slice(1);
    const optionsParameter = keywords.length
      ? [`options?: { ${keywords.map((arg) => `${arg.name}?: ${typeOf(arg.type)}`).join('; ')} }`]
      : [];
    const method = rename ? camel(rename) : camel(first.fullName.split('.')[0]!);
    methods.push(
      `  /** ${schemaNote} */\n  ${method}(${[...rest.map(parameter), ...optionsParameter].join(', ')}): ${type} {\n    return ${name}(${['asTensor(this)', ...rest.map((arg) => arg.name), ...(keywords.length ? ['options'] : [])].join(', ')});\n  }\n`,
    );
  }
}

for (const line of readFileSync(here('operators.txt'), 'utf8').split('\n')) {
  if (line.trim() && !line.startsWith('#')) emit(line);
}

const source = `/**
 * Generated by codegen/generate.ts from codegen/operators.txt and LibTorch's schemas: do not edit.
 * Positional arguments are the schema's, in its order; keyword-only arguments go into the last
 * object.
 */
import {
  formatCode, handlesOf, idOf, type MemoryFormat, operator, type Scalar, wrap, wrapList,
} from './dispatch.js';
import { type DType, dtypeCode } from './dtype.js';
import type { Generator } from './generator.js';
import { native } from './native.js';
import type { Tensor } from './tensor.js';

const optionalHandle = (tensor: Tensor | null | undefined) => (tensor ? tensor.handle : null);
const asTensor = (self: TensorMethods) => self as Tensor;

${[...opNames].map(([full, name]) => `const ${name} = operator('aten::${full}');`).join('\n')}

/** The operators as methods of Tensor. */
export abstract class TensorMethods {
  abstract get handle(): number;

${methods.join('\n')}
}

${functions.join('\n')}`;
const target = here('../src/tensor/ops.ts');
writeFileSync(target, source);
execFileSync('npx', ['biome', 'check', '--write', target.pathname], { stdio: 'inherit' });
