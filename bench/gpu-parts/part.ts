/** One part of bench/gpu: `part.ts NAME CONTEXT` prints its rows, or why there are none, a line of JSON each. */
import { type Context, Skipped } from './context.js';
import { PARTS, type PartName } from './parts.js';

const [name, context] = process.argv.slice(2) as [PartName, string];
const say = (what: object) => process.stdout.write(`${JSON.stringify(what)}\n`);
try {
  const part = await PARTS[name].load();
  for await (const row of part(JSON.parse(context) as Context)) say({ row });
} catch (error) {
  const { message } = error as Error;
  if (error instanceof Skipped) say({ skipped: message });
  else {
    process.stderr.write(`${(error as Error).stack}\n`);
    say({ problem: message.split('\n')[0] });
    process.exitCode = 1;
  }
}
