/** A command-line process under observation. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fromRoot } from '../../src/files/package-root.js';

const program = fromRoot('mfm');
const started = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL');
});

export interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** since the start */
  seconds: number;
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

/** No process in these runs takes longer, however busy the machine. */
const LONGEST_SECONDS = 240;

export class Job {
  output = '';
  readonly end: Promise<End>;
  private readonly child: ChildProcess;
  private ended = false;

  constructor(readonly args: readonly string[]) {
    const startMs = performance.now();
    this.child = spawn(program, args, {
      env: { ...process.env, OMP_NUM_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.add(this.child);
    for (const stream of [this.child.stdout!, this.child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
    const timer = setTimeout(() => {
      this.output += '\nhung';
      this.kill('SIGKILL');
    }, LONGEST_SECONDS * 1000);
    this.end = new Promise((resolve) => {
      this.child.on('exit', () => {
        this.ended = true;
      });
      this.child.on('close', (code, signal) => {
        clearTimeout(timer);
        started.delete(this.child);
        resolve({ code, signal, seconds: (performance.now() - startMs) / 1000 });
      });
    });
  }

  get running(): boolean {
    return !this.ended;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Closes the pipes that its output goes to. */
  closeOutput(): void {
    this.child.stdout!.destroy();
    this.child.stderr!.destroy();
  }

  /** Polls until `test` is true; false if the process ends or the time is over first. */
  async until(test: () => boolean, seconds = LONGEST_SECONDS): Promise<boolean> {
    const endMs = performance.now() + seconds * 1000;
    while (!test()) {
      if (!this.running || performance.now() > endMs) return test();
      await sleep(5);
    }
    return true;
  }

  /** The ranks that it has started, with their process ids. */
  ranks(): { rank: number; pid: number }[] {
    const found: { rank: number; pid: number }[] = [];
    for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        if (parent !== this.child.pid) continue;
        const rank = /(?:^|\0)RANK=(\d+)/.exec(readFileSync(`/proc/${name}/environ`, 'utf8'))?.[1];
        if (rank !== undefined) found.push({ rank: Number(rank), pid: Number(name) });
      } catch {
        // the process has ended meanwhile
      }
    }
    return found.sort((a, b) => a.rank - b.rank);
  }
}

/** Output that users should never see: a stack trace, or the message for an unexpected error. */
export function blemishOf({ output }: Job): string | null {
  const found = /^\s+at .*[\d)]$|unexpected error|^hung$|node:internal|terminate called/m.exec(
    output,
  );
  return found ? `says "${found[0].trim()}"` : null;
}
