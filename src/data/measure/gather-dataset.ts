/**
 * Measures the samples of a program's own data set, once, and caches the facts under the hash of their
 * content.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { InputError } from '../../errors.js';
import { type Dataset, sampleAt } from '../sources/dataset.js';
import type { SampleFacts } from '../sources/facts.js';
import type { Sample } from '../sources/sample.js';
import { keyOf } from '../store.js';
import { wordsIn } from '../words.js';
import { type GatherOptions, MEASURES, type SkippedItem } from './gather.js';
import { measureFrames } from './inspect.js';

export interface GatheredSample {
  /** `mine 3`: the name of the data set and the sample's index */
  where: string;
  index: number;
  facts: SampleFacts;
  /** hash of its content, whatever its index */
  content: string;
  caption: string;
  /** the instruction of an edit; null for other samples */
  instruction: string | null;
  /** does it have depth of the clip before the edit? absent: no */
  hasSourceDepth?: boolean;
}

type Kept = Omit<GatheredSample, 'where' | 'index'>;

/**
 * The samples that can be used, in order, and those that cannot be read.
 * @throws the signal's reason once it has aborted
 */
export async function gatherDataset(
  name: string,
  dataset: Dataset,
  { store = null, signal, onProgress }: GatherOptions = {},
): Promise<{ samples: GatheredSample[]; skipped: SkippedItem[] }> {
  const samples: GatheredSample[] = [];
  const skipped: SkippedItem[] = [];

  const stored = (key: string): Kept | null => {
    const bytes = store?.get(key);
    return bytes ? JSON.parse(Buffer.from(bytes).toString()) : null;
  };
  const keep = (key: string, kept: Kept) => store?.put(key, Buffer.from(JSON.stringify(kept)));

  async function gather(index: number, where: string): Promise<Kept> {
    const { version } = dataset;
    const place = version === undefined ? null : keyOf('dataset', MEASURES, name, version, index);
    const known = place && stored(place);
    if (known) return known;
    const sample = await sampleAt(dataset, index, where);
    const content = contentOf(sample);
    const key = keyOf('facts of a sample', MEASURES, content);
    const kept = stored(key) ?? (await measured(sample, content));
    keep(key, kept);
    if (place) keep(place, kept);
    return kept;
  }

  for (let index = 0; index < dataset.length; index++) {
    const where = `${name} ${index}`;
    await setImmediate(); // let signals have their turn
    signal?.throwIfAborted();
    try {
      samples.push({ where, index, ...(await gather(index, where)) });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      skipped.push({ where, reason: error.message });
    }
    onProgress?.(index + 1);
  }
  return { samples, skipped };
}

async function measured({ clip, caption, depth, edit }: Sample, content: string): Promise<Kept> {
  const facts: SampleFacts = {
    ...(await measureFrames(clip)),
    captionWords: wordsIn(caption),
    watermark: false,
    text: false,
    hasMask: false,
    hasDepth: depth !== null,
    hasEditSource: edit !== null,
  };
  const words = { caption, instruction: edit?.instruction ?? null };
  return { facts, content, ...words, ...(edit?.sourceDepth ? { hasSourceDepth: true } : {}) };
}

/** The hash of everything that a sample holds. */
function contentOf({ clip, caption, depth, edit }: Sample): string {
  const hash = createHash('sha256');
  // depth of the source came later: without it, the hash stays as it was
  const ofSource = edit?.sourceDepth ? [edit.sourceDepth] : [];
  for (const part of [clip, edit?.source, depth, ...ofSource]) {
    if (!part) {
      hash.update('none');
      continue;
    }
    const { width, height, numFrames, data } = part;
    hash.update(JSON.stringify([width, height, numFrames]));
    hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return keyOf('sample', hash.digest('hex'), caption, edit?.instruction ?? null);
}
