/** Chooses the pipeline of a command, and says which one it is if the command line names none. */
import { dirname } from 'node:path';
import { newestPipeline, resolvePipeline } from '../../pipeline/find.js';
import { isTrainedNow } from '../../train/run/status.js';

/**
 * The folder that is named, or the newest one, which is then reported on stderr.
 * @throws InputError if there is no pipeline
 */
export function chosenPipeline(named: string | undefined): string {
  if (named) return resolvePipeline(named);
  const say = (sentence: string) => process.stderr.write(`${sentence}\n`);
  const folder = newestPipeline(say);
  const goesOn = isTrainedNow(dirname(folder)) ? ', which is still being trained' : '';
  say(`${folder}: using the newest pipeline${goesOn}`);
  return folder;
}
