import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FeedPosition } from '../../../src/train/feed/batch.js';
import { BatchPlan } from '../../../src/train/feed/plan.js';
import type { Bucket, Entry, StageSet } from '../../../src/train/feed/stage-set.js';

const bucket = (name: string, count: number, batchSize: number, numFrames: number): Bucket => ({
  target: { width: 16 * name.length, height: 16, numFrames },
  batchSize,
  entries: Array.from(
    { length: count },
    (_, i) => ({ item: { where: `${name} ${i}` }, tasks: [] }) as unknown as Entry,
  ),
});

const SET: StageSet = {
  image: [{ name: 'a', weight: 1, buckets: [bucket('i', 50, 8, 1), bucket('ii', 7, 8, 1)] }],
  clip: [
    { name: 'a', weight: 1, buckets: [bucket('c', 40, 4, 5)] },
    { name: 'b', weight: 3, buckets: [bucket('cc', 30, 4, 9), bucket('ccc', 1, 4, 9)] },
  ],
};
const STAGE = { name: 'all', imageShare: [1, 0.5] as [number, number], mixAt: 0.5 };

const planFrom = (position: FeedPosition | null, imageShare = STAGE.imageShare) =>
  new BatchPlan(SET, {
    stage: { ...STAGE, imageShare },
    seed: 5,
    position,
    doneAt: (taken) => Math.min(1, taken / 400),
  });

const take = (plan: BatchPlan, count: number) => Array.from({ length: count }, () => plan.next());
const namesOf = ({ entries }: { entries: Entry[] }) => entries.map(({ item }) => item.where);

describe('BatchPlan', () => {
  test('gives the same batches again from any position, which survives JSON', () => {
    const all = take(planFrom(null), 400);
    for (const at of [0, 1, 7, 150, 399]) {
      const text = at === 0 ? null : JSON.stringify(all[at - 1]!.position);
      const rest = take(planFrom(text === null ? null : JSON.parse(text)), Math.min(50, 400 - at));
      assert.deepEqual(
        rest.map((batch) => [batch.step, batch.kind, ...namesOf(batch)]),
        all.slice(at, at + 50).map((batch) => [batch.step, batch.kind, ...namesOf(batch)]),
      );
    }
    const position = JSON.stringify(all.at(-1)!.position);
    assert.ok(position.length < 200, position);
  });

  test('shows every item once before any comes again, batches always full', () => {
    const batches = take(planFrom(null, [1, 1]), 7 * 8);
    const seen = new Map<string, number>();
    for (const batch of batches) {
      assert.equal(batch.entries.length, 8);
      for (const name of namesOf(batch)) seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    assert.equal(seen.size, 57);
    // 448 samples of 57 items
    const counts = [...seen.values()];
    assert.ok(Math.min(...counts) >= 6 && Math.max(...counts) <= 10, `${counts}`);
  });

  test('has the share of images that the stage asks for, and sources by weight', () => {
    const batches = take(planFrom(null), 400);
    const share = (from: number, to: number, is: (batch: (typeof batches)[0]) => boolean) =>
      batches.slice(from, to).filter(is).length / (to - from);
    const isImage = ({ kind }: { kind: string }) => kind === 'image';
    assert.ok(share(0, 20, isImage) > 0.85, 'images first');
    assert.ok(Math.abs(share(200, 400, isImage) - 0.5) < 0.1, `${share(200, 400, isImage)}`);
    const clips = batches.filter(({ kind }) => kind === 'clip');
    const ofB = clips.filter(({ bucket }) => bucket.target.numFrames === 9).length / clips.length;
    assert.ok(Math.abs(ofB - 0.75) < 0.12, `${ofB}`);
  });

  test('takes clips where there are no images', () => {
    const set: StageSet = { image: [], clip: SET.clip };
    const plan = new BatchPlan(set, { stage: STAGE, seed: 0, doneAt: () => 0 });
    assert.deepEqual([...new Set(take(plan, 9).map(({ kind }) => kind))], ['clip']);
  });
});
