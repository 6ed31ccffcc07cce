/** The thread that reads and measures items for `gatherItems`. */
import { InputError } from '../../errors.js';
import { limited } from '../limited.js';
import { contentHash } from '../sources/data-file.js';
import { serveJobs } from '../worker-pool.js';
import { filesOf, type GatherJob, type GatherResult } from './gather.js';
import { inspectItem } from './inspect.js';

/** Items processed at once: while one waits for ffmpeg, others compute. */
const AT_ONCE = 3;

async function gather(job: GatherJob): Promise<GatherResult> {
  const { item } = job;
  if (job.kind === 'inspect') {
    const inspected = await inspectItem(item);
    if ('problem' in inspected) return { kind: 'problem', problem: inspected.problem };
    const { facts, fps, mismatches, notes } = inspected;
    return { kind: 'inspect', facts, fps, mismatches, notes };
  }
  const hashes: string[] = [];
  for (const [i, file] of filesOf(item).entries()) {
    try {
      hashes.push(job.stamps[i] ?? (await contentHash([file], '')));
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      const why =
        code === 'ENOENT' ? 'no such file; check the path' : `cannot be read (${message})`;
      if (code === undefined && !(cause instanceof InputError)) throw cause;
      return { kind: 'problem', problem: `${file.name}: ${why}` };
    }
  }
  return { kind: 'hash', hashes };
}

serveJobs(limited(AT_ONCE, gather));
