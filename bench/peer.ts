/** The peer in a comparison: a Python process that answers each line with one line. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export class Peer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  /** @param script  a file in `bench/peers` */
  constructor(
    readonly script: string,
    python: string,
    args: readonly (string | number)[],
  ) {
    const path = fileURLToPath(new URL(`peers/${script}`, import.meta.url));
    this.#process = spawn(python, [path, ...args.map(String)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  /** The next line that it prints. @throws Error if it ended instead */
  async answer(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done) {
      throw new Error(`${this.script}: ended early; are the packages that it imports installed?`);
    }
    return value;
  }

  ask(question: string): Promise<string> {
    this.#process.stdin!.write(`${question}\n`);
    return this.answer();
  }

  /** Closes its input, at which it ends by itself. */
  end(): void {
    this.#process.stdin!.end();
  }
}
