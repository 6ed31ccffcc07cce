import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromRoot } from '../../../src/files/package-root.js';
import { buildTokenizer, PromptTokenizer } from '../../../src/models/t5/index.js';
import { captionLimit, captionLimitOf } from '../../../src/pipeline/caption-limit.js';
import { cutCaptionLines, leftOutLines } from '../../../src/train/feed/left-out.js';
import type { OpenedSource, SourceItem } from '../../../src/train/feed/sources.js';

const mini = fromRoot('models/mfm-mini');

test('leftOutLines names the first few and counts the others', () => {
  const skipped = Array.from({ length: 7 }, (_, i) => ({
    where: `set.jsonl:${i + 1}`,
    reason: i === 0 ? 'set.jsonl:1: must be JSON' : `${i}.png: no such file; check the path`,
  }));
  const notes = [
    'set: 2 files are passed over: .mp3 2 (a.mp3, b.mp3)',
    'a.mov: high dynamic range',
  ];
  assert.deepEqual(leftOutLines({ skipped, notes }), [
    'left out: set.jsonl:1: must be JSON',
    ...[1, 2, 3, 4].map(
      (i) => `left out: set.jsonl:${i + 1}: ${i}.png: no such file; check the path`,
    ),
    '2 more are left out; `mfm data check` names them',
    ...notes,
  ]);
});

describe('cutCaptionLines', () => {
  const source = (prompts: string[]): OpenedSource => ({
    name: 'set',
    weight: 1,
    miniworld: null,
    heldOut: [],
    items: prompts.map((prompt, i) => {
      const item = { prompt } as never;
      const origin = { kind: 'file', item, width: 64, height: 64, motionScore: 0 } as const;
      return {
        where: `set/${i}.png`,
        kind: 'image',
        content: '',
        origin,
        facts: null,
      } as SourceItem;
    }),
  });

  test('counts the captions that the tokenizer makes too long', () => {
    const tokenizer = new PromptTokenizer(buildTokenizer(['red', 'cube', '#task:']));
    const limit = captionLimit(tokenizer, 60);
    // a word of the list is a token, any other is spelt
    const long = new Array(50).fill('cube').join(' ');
    const [line, ...others] = cutCaptionLines([source(['red cube', long, long, ''])], limit);
    assert.match(
      line!,
      /^set: 1 of 2 captions are longer than the 60 tokens that the text encoder reads, and cut off there; the longest has \d+ \(set\/2\.png\)$/,
    );
    assert.deepEqual(others, []);
    assert.deepEqual(cutCaptionLines([source(['red cube'])], limit), []);
  });

  test("takes a pipeline's own length", () => {
    const limit = captionLimitOf(mini);
    assert.equal(limit.tokens, 40);
    assert.ok(limit.count!('a red cube') > 4 && limit.count!('a red cube') < 10);
  });
});
