/** One training in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isCheckout } from '../../files/package-root.js';
import type { TrainEvent } from '../../train/index.js';
import { ToldError } from '../errors.js';
import type { ErrorBody } from '../schemas/error.js';
import type { FromTraining, ToTraining } from './messages.js';

/** How long a training has to write a checkpoint before its process is killed. */
const GRACE_MS = 120_000;

export interface TrainingWork {
  recipe: Record<string, unknown>;
  /** the run's folder */
  run: string;
  resume: boolean;
  onEvent: (event: TrainEvent) => void;
}

export class TrainingProcess {
  /** did it train to the end? @throws ToldError with the library's sentence, or that the process died */
  readonly outcome: Promise<boolean>;
  private readonly child: ChildProcess;

  constructor({ recipe, run, resume, onEvent }: TrainingWork) {
    const path = fileURLToPath(
      new URL(isCheckout ? './worker.ts' : './worker.js', import.meta.url),
    );
    this.child = fork(path, [], {
      execArgv: isCheckout ? ['--import', import.meta.resolve('tsx')] : [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let printed = '';
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      printed = (printed + text).slice(-2000);
    });
    this.outcome = new Promise((resolve, reject) => {
      let answer = () => {};
      this.child.on('message', (message: FromTraining) => {
        if (message.type === 'event') onEvent(message.event);
        else if (message.type === 'ended') answer = () => resolve(message.finished);
        else answer = () => reject(new ToldError(message.error));
      });
      this.child.on('error', (error) => reject(new ToldError(deathOf(error.message, printed))));
      this.child.on('exit', (code, signal) => {
        answer();
        reject(new ToldError(deathOf(signal ?? `exit code ${code}`, printed)));
      });
    });
    this.outcome.catch(() => {});
    this.send({ type: 'train', recipe, run, resume });
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Asks it to write a checkpoint and end; it is killed if it takes too long. */
  async stop(): Promise<void> {
    this.send({ type: 'stop' });
    const killing = setTimeout(() => this.child.kill('SIGKILL'), GRACE_MS);
    await this.outcome.catch(() => {});
    clearTimeout(killing);
  }

  private send(message: ToTraining): void {
    if (this.child.connected) this.child.send(message, () => {});
  }
}

function deathOf(how: string, printed: string): ErrorBody {
  const last = printed.trim().split('\n').at(-1)?.slice(0, 300);
  const hint = 'resume it to go on from its last checkpoint';
  const message = `the training ended (${how})${last ? `, its last words: ${last}` : ''}; ${hint}`;
  return { type: 'server_error', code: 'training_died', message, param: null, hint };
}
