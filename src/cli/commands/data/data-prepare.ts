/** `mfm data prepare`: cuts long videos into short clips, and stores them in shards. */

import type { DepthEstimator } from '../../../data/prepare/depth-file.js';
import type { ItemRecord } from '../../../data/prepare/journal.js';
import type { PrepareSettings, PrepareSummary } from '../../../data/prepare/prepare.js';
import type { Entry } from '../../../data/sources/items.js';
import { InputError, isAbort } from '../../../errors.js';
import { SourceFiles } from '../../../files/output-place.js';
import { chosenDevice } from '../../options/device.js';
import { adviseFfmpeg } from '../../options/ffmpeg-advice.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { Progress } from '../../terminal/progress.js';

export interface PrepareArguments extends Omit<PrepareSettings, 'shard'> {
  sources: readonly string[];
  folder: string;
  /** "2/4" */
  shard: string;
  /** where depth is estimated */
  device?: string;
  workers?: number;
  strict: boolean;
}

/** @returns the exit code: 1 if no clips result, or with `strict` if an item could not be used; else 0 */
export async function runPrepare(options: PrepareArguments): Promise<number> {
  const { sources, folder, shard, device, workers, strict, ...rest } = options;
  const settings: PrepareSettings = { ...rest, shard: parseShard(shard) };
  if (settings.maxSeconds < 2 * settings.minSeconds) {
    throw new InputError(
      `mfm data prepare: --max-seconds must be at least twice --min-seconds (${settings.minSeconds}), got ${settings.maxSeconds}`,
    );
  }
  new SourceFiles(sources.map((path) => ({ path, what: 'the data' }))).expectOtherFolder(folder);
  const { readEntries } = await import('../../../data/sources/manifest.js');
  const { prepare } = await import('../../../data/prepare/prepare.js');
  const entries: Entry[] = [];
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note);
  for (const source of sources) {
    for await (const entry of readEntries(source, { onNote })) entries.push(entry);
  }
  if (entries.some((entry) => 'item' in entry && entry.item.kind !== 'image')) await adviseFfmpeg();
  const depth = settings.depthModel === null ? null : await openDepth(settings.depthModel, device);
  const progress = new Progress({ label: 'preparing', total: 1, unit: '' });
  try {
    const summary = await withInterrupt('stopping', (signal) =>
      prepare(entries, folder, settings, {
        workers,
        signal,
        estimate: depth?.estimate,
        onProgress: (done, total, clips) => progress.update(done / total, `${clips} clips`),
      }),
    );
    progress.end();
    return report(summary, notes, strict);
  } catch (error) {
    if (!isAbort(error)) throw error;
    progress.end();
    process.stderr.write(`${folder}: stopped; run the same command again to continue\n`);
    return INTERRUPTED;
  } finally {
    progress.end();
    depth?.close();
  }
}

/** Parses the value of `--shard`. @throws InputError unless it is like 2/4 */
export function parseShard(text: string): { index: number; count: number } {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  const [index, count] = [Number(match?.[1]), Number(match?.[2])];
  if (match && index >= 1 && index <= count) return { index, count };
  throw new InputError(
    `mfm data prepare: --shard must be I/N, the part of machine I of N, e.g. 2/4, got "${text}"`,
  );
}

async function openDepth(
  name: string,
  asked: string | undefined,
): Promise<{ estimate: DepthEstimator; close(): void }> {
  const { openRelativeDepth } = await import('../../../pipeline/depth-model.js');
  const { estimateDepth } = await import('../../../models/depth-anything/index.js');
  const { tidy } = await import('../../../tensor/index.js');
  const model = openRelativeDepth(name, { device: await chosenDevice(asked) });
  return {
    estimate: (frames) =>
      tidy(() => Float32Array.from(estimateDepth(model, frames).toArray() as Float32Array)),
    close: () => model.network.dispose(),
  };
}

function report(
  { manifest, shards, items }: PrepareSummary,
  notes: readonly string[],
  strict: boolean,
): number {
  let [clips, tooShort, duplicates, problems] = [0, 0, 0, 0];
  for (const item of items) {
    clips += item.clips.length;
    tooShort += item.tooShort;
    duplicates += item.duplicates.length;
    problems += item.problems.length;
    for (const line of linesOf(item)) process.stdout.write(`${line}\n`);
  }
  for (const note of notes) process.stdout.write(`${note}\n`);
  process.stdout.write(
    `${items.length} sources: ${clips} clips in ${shards.length} shards; left out: ${tooShort} too short, ${duplicates} duplicates, ${problems} unreadable\n${manifest}\n`,
  );
  return clips === 0 || (strict && problems > 0) ? 1 : 0;
}

/** Lines about parts of an item that were left out, and notes from reading it. */
function linesOf({ where, tooShort, problems, duplicates, notes = [] }: ItemRecord): string[] {
  const scenes = tooShort === 1 ? '1 scene' : `${tooShort} scenes`;
  return [
    ...notes,
    ...problems.map((problem) => `left out: ${problem}`),
    ...duplicates.map((one) => `left out: ${where}: duplicate, ${one}`),
    ...(tooShort > 0 ? [`left out: ${where}: ${scenes} below --min-seconds`] : []),
  ];
}
