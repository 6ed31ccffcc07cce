/** Help texts, generated from the tables that the parser reads. */

import { PROGRAM } from '../../files/package-root.js';
import { type Argument, type ArgumentTable, flagName, placeholder } from './args.js';

/** An example for the help text: its purpose, and the words after `mfm`. */
export type Example = readonly [purpose: string, words: string];

export interface HelpSource {
  summary: string;
  args: ArgumentTable;
  examples?: readonly Example[];
}

/** The text of `mfm COMMAND --help`; `details` is added by the command, e.g. the keys of a recipe. */
export function commandHelp(name: string, { summary, args, examples }: HelpSource, details = '') {
  const positional = Object.entries(args.positional ?? {});
  const options = Object.entries(args.options ?? {}).filter(([, argument]) => !argument.hidden);
  const words = positional.map(([key, argument]) => {
    const word = placeholder(key, argument) + (argument.repeat ? '...' : '');
    return argument.optional ? `[${word}]` : word;
  });
  const required = options
    .filter(([, argument]) => argument.required)
    .map(([key, argument]) => `${flagName(key)} ${placeholder(key, argument)}`);
  const usage = ['mfm', name, ...words, ...required, ...(options.length > 0 ? ['[options]'] : [])];
  return blocks(
    `${usage.join(' ')}\n\n${summary}`,
    section(
      'Arguments',
      positional.map(([key, a]) => [placeholder(key, a), meaning(a)]),
    ),
    section('Options', [
      ...options.map(([key, a]): [string, string] => [optionWord(key, a), meaning(a)]),
      ['-h, --help', 'show this help'],
      ['    --debug', 'show a stack trace with an error'],
    ]),
    details,
    exampleSection(examples ?? []),
  );
}

/** `mfm --help` */
export function programHelp(
  commands: ReadonlyArray<readonly [name: string, summary: string]>,
  examples: readonly Example[],
): string {
  return blocks(
    'mfm COMMAND [options]\n\n' +
      'Trains and runs one diffusion transformer for many image and video tasks.',
    section('Commands', commands),
    exampleSection(examples),
    '`mfm COMMAND --help` explains a command and its options, `mfm --version` names the version.\n' +
      'Exit codes: 0 success, 1 the job failed, 2 wrong usage or input, 128 + N stopped by signal N (Ctrl-C: 130).',
  );
}

/** Two columns under a heading; '' if there are no rows. */
export function section(heading: string, rows: ReadonlyArray<readonly [string, string]>): string {
  if (rows.length === 0) return '';
  const width = Math.min(30, Math.max(...rows.map(([left]) => left.length)));
  const lines = rows.flatMap(([left, right]) => {
    const [first = '', ...rest] = wrap(right, 96 - width);
    const indent = ' '.repeat(width + 4);
    const head =
      left.length > width ? [`  ${left}`, indent + first] : [`  ${left.padEnd(width)}  ${first}`];
    return [...head, ...rest.map((line) => indent + line)];
  });
  return [`${heading}:`, ...lines].join('\n');
}

function exampleSection(examples: readonly Example[]): string {
  if (examples.length === 0) return '';
  return [
    'Examples:',
    ...examples.map(([purpose, words]) => `  # ${purpose}\n  ${PROGRAM} ${words}`),
  ].join('\n');
}

function optionWord(name: string, argument: Argument): string {
  const short = argument.short ? `-${argument.short}, ` : '    ';
  if (argument.kind === 'flag') {
    // a flag that is on by default can only be switched off
    return (
      short +
      (argument.default || argument.isOn ? flagName(name).replace('--', '--no-') : flagName(name))
    );
  }
  return `${short}${flagName(name)} ${placeholder(name, argument)}`;
}

/** The description, followed by the choices, multiples, default and repetition from the table. */
function meaning(argument: Argument): string {
  const notes: string[] = [];
  if (argument.kind === 'text' && argument.choices) notes.push(argument.choices.join(' | '));
  if (argument.kind === 'size' && argument.multipleOf)
    notes.push(`multiples of ${argument.multipleOf}`);
  if ('default' in argument && argument.default !== undefined && argument.kind !== 'flag') {
    const value = argument.default;
    notes.push(`default ${typeof value === 'object' ? `${value.width}x${value.height}` : value}`);
  }
  if (argument.repeat) notes.push('may be repeated');
  return argument.describe + (notes.length > 0 ? ` (${notes.join('; ')})` : '');
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function blocks(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}
