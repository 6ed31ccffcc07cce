/**
 * The command-line program: finds the command, reads its options, runs it, and turns any error into
 * one sentence and an exit code. Results go to stdout, progress and errors to stderr.
 */
import { InputError } from '../errors.js';
import { packageVersion } from '../files/package-root.js';
import { ignoredSignals } from '../processes/stop-signals.js';
import { didYouMean } from '../suggest.js';
import { type Command, commands } from './commands.js';
import { parseArgs } from './terminal/args.js';
import { endChildren } from './terminal/end-children.js';
import { commandHelp, programHelp } from './terminal/help.js';
import { exitCodeFor } from './terminal/interrupt.js';
import { keepPrintable } from './terminal/printable.js';
import { describeProblem } from './terminal/problem.js';
import { leave, outliveReaders } from './terminal/streams.js';

const EXAMPLES = [
  ['see everything, in about five minutes', 'demo'],
  ['a picture from a sentence', 'generate t2i -p "a red cube left of a blue sphere" -o cube.png'],
  ['train a small model', 'train recipes/mfm-mini.yaml'],
] as const;

/** Runs one command line; returns the exit code. */
async function main(words: readonly string[]): Promise<number> {
  const [name, ...rest] = words;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    // `mfm help train` is `mfm train --help`
    if (name === 'help' && rest[0] !== undefined) return main([rest[0], '--help']);
    const rows = await Promise.all(Object.keys(commands).map(summaryOf));
    console.log(programHelp(rows, EXAMPLES));
    return name === undefined ? 2 : 0;
  }
  if (name === '--version' || name === '-V') {
    console.log(packageVersion);
    return 0;
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load === undefined) {
    const hint = didYouMean(name, Object.keys(commands));
    throw new InputError(
      `mfm: unknown command "${name}"${hint || '; `mfm --help` lists all commands'}`,
    );
  }
  const command: Command = await load();
  const stop = rest.indexOf('--');
  const own = stop < 0 ? rest : rest.slice(0, stop);
  if (own.includes('--help') || own.includes('-h')) {
    console.log(commandHelp(name, command, await command.details?.()));
    return 0;
  }
  // `never`: each command types its own options, from the same table
  return (await command.run(parseArgs(`mfm ${name}`, command.args, rest) as never)) ?? 0;
}

async function summaryOf(name: string): Promise<[string, string]> {
  const command = await commands[name]!();
  return [name, command.summary];
}

function fail(error: unknown): void {
  const { message, exitCode } = describeProblem(error, debug);
  process.stderr.write(`${message}\n`);
  void leave(exitCode);
}

const debug = process.argv.includes('--debug');
keepPrintable(process.stdout, process.stderr);
outliveReaders();
for (const signal of ignoredSignals()) process.on(signal, () => {});
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
process.on('exit', endChildren);

try {
  const words = process.argv.slice(2).filter((word) => word !== '--debug');
  await leave(exitCodeFor(await main(words)));
} catch (error) {
  fail(error);
}
