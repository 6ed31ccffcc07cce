import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Media } from '../../studio/logic/draft.js';
import { EMPTY_FINE_TUNE, type FineTuneDraft, isReady } from '../../studio/logic/fine-tune.js';

const file = (caption: string) => ({ media: {} as Media, caption });
const draft = (more: Partial<FineTuneDraft>): FineTuneDraft => ({
  ...EMPTY_FINE_TUNE,
  name: 'my-dog',
  ...more,
});

describe('a fine-tuning', () => {
  test('can start once every file has arrived and has words on it', () => {
    const files = [file('a dog'), file('a dog on grass')];
    assert.equal(isReady(draft({ files }), 0), true);
    assert.equal(isReady(draft({ files }), 1), false, 'one is still being sent');
    assert.equal(isReady(draft({ files: [...files, file(' ')] }), 0), false);
    assert.equal(isReady(draft({}), 0), false);
    assert.equal(isReady(draft({ files, name: ' ' }), 0), false);
  });

  test('on a folder of the server does not wait for files', () => {
    assert.equal(isReady(draft({ folder: 'dogs' }), 1), true);
  });
});
