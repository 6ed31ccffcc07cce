/** Commands called in this process, and what they say. */
import { describeProblem } from '../../src/cli/terminal/problem.js';

/** Runs a command's `run`; what it writes and how it would leave come back. */
export async function quietly(run: () => Promise<number | undefined> | number | undefined) {
  const said = { stdout: '', stderr: '' };
  const before = [process.stdout.write, process.stderr.write];
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name];
    const write = stream.write.bind(stream);
    // the test runner's own reports are bytes
    stream.write = ((data: string | Uint8Array) => {
      if (typeof data !== 'string') return write(data);
      said[name] += data;
      return true;
    }) as never;
  }
  try {
    return { exitCode: (await run()) ?? 0, message: '', ...said };
  } catch (error) {
    return { ...describeProblem(error), ...said };
  } finally {
    process.stdout.write = before[0]!;
    process.stderr.write = before[1]!;
  }
}
