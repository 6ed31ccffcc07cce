/**
 * The next batch, taken and sent to the device while the present step computes there. On the CPU, which
 * would only do the same work earlier, batches are taken when their step comes.
 */
import { tidy } from '../../tensor/index.js';
import type { Loop } from './loop-state.js';
import type { Source, Taken } from './source.js';

/** The batch of the present step; the step disposes of what was sent. */
export async function takeBatch<Batch>(
  loop: Loop<Batch>,
  source: Source<Batch>,
): Promise<Taken<Batch>> {
  const { upcoming } = loop;
  loop.upcoming = null;
  const taken = await (upcoming ?? take(source, loop.state.step));
  // after a rollback the step has other draws
  if (taken.step === loop.state.step) return taken;
  taken.sent?.dispose();
  return { ...taken, sent: null };
}

/** Takes and sends the batch of the step after the present one. An error is raised when that comes. */
export async function takeAhead<Batch>(loop: Loop<Batch>, source: Source<Batch>): Promise<void> {
  const { options, state } = loop;
  if (!options.send || loop.device === 'cpu') return;
  const step = state.step + 1;
  const send = async (): Promise<Taken<Batch>> => {
    const taken = await take(source, step);
    const sent = tidy(() => options.send!(taken.batch, { step, stage: state.stage }));
    return { ...taken, sent };
  };
  loop.upcoming = send();
  await loop.upcoming.catch(() => {});
}

/** Disposes of a batch that no step will take. */
export async function dropUpcoming<Batch>(loop: Loop<Batch>): Promise<void> {
  const taken = await loop.upcoming?.catch(() => null);
  loop.upcoming = null;
  taken?.sent?.dispose();
}

const take = async <Batch>(source: Source<Batch>, step: number): Promise<Taken<Batch>> => ({
  ...(await source.next()),
  step,
  sent: null,
});
