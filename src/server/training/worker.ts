/** The child process of one training: it tells what happens, and stops with a checkpoint when asked to. */
import { setPriority } from 'node:os';
import { train } from '../../train/index.js';
import type { RecipeInput } from '../../train/recipe/config.js';
import { bodyOf } from '../errors.js';
import type { FromTraining, ToTraining } from './messages.js';

/** Results that somebody waits for come first. */
const NICENESS = 5;

const stop = new AbortController();
const send = (message: FromTraining, then = () => {}): void => {
  if (process.connected) process.send!(message, then);
  else then();
};

async function run({ recipe, run, resume }: ToTraining & { type: 'train' }): Promise<void> {
  try {
    const outcome = await train(recipe as RecipeInput, {
      run,
      resume,
      signal: stop.signal,
      onEvent: (event) => send({ type: 'event', event }),
    });
    send({ type: 'ended', finished: outcome.finished }, () => process.exit(0));
  } catch (error) {
    send({ type: 'failed', error: bodyOf(error) }, () => process.exit(1));
  }
}

process.on('message', (message: ToTraining) => {
  if (message.type === 'train') void run(message);
  else stop.abort();
});
// when the server ends, the training does too, with a checkpoint, and goes on at the next start
process.on('disconnect', () => stop.abort());
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
setPriority(NICENESS);
