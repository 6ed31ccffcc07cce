/** The pipeline that a command uses, and a word on it where the command line names none. */
import { dirname } from 'node:path';
import { newestPipeline, resolvePipeline } from '../../pipeline/find.js';
import { isTrainedNow } from '../../train/run/status.js';

/**
 * The folder that is named, or the newest one, which is said on stderr.
 * @throws InputError if there is none
 */
export function chosenPipeline(named: string | undefined): string {
  if (named) return resolvePipeline(named);
  const say = (sentence: string) => process.stderr.write(`${sentence}\n`);
  const folder = newestPipeline(say);
  const goesOn = isTrainedNow(dirname(folder)) ? ', as far as it is trained by now' : '';
  say(`${folder}: taken as the newest pipeline${goesOn}`);
  return folder;
}
