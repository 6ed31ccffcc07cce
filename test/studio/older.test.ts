import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Jobs } from '../../studio/api/types.js';
import { NOTHING_KNOWN, oldestOf, withNewest, withOlder } from '../../studio/logic/older.js';

const page = (ids: string, hasMore: boolean): Jobs =>
  ({ data: [...ids].map((id) => ({ id })), has_more: hasMore }) as Jobs;
const none: ReadonlySet<string> = new Set();

describe('the older results', () => {
  const known = withOlder(withNewest(NOTHING_KNOWN, page('fed', true)), page('cb', true));

  test('are asked for after the oldest one that is known', () => {
    assert.equal(oldestOf(NOTHING_KNOWN, none), undefined);
    assert.equal(oldestOf(known, none), 'b');
    assert.equal(oldestOf(known, new Set('bc')), 'd');
  });

  test('need not be asked for again after a break in which few were made', () => {
    const later = withNewest(known, page('hgf', true));
    assert.deepEqual([later.ids.join(''), later.hasMore], ['hgfedcb', true]);
    const all = withNewest(withOlder(known, page('a', false)), page('gfe', true));
    assert.deepEqual([oldestOf(all, none), all.hasMore], ['a', false]);
  });

  test('are asked for from the newest on if some were made that nobody has seen', () => {
    const later = withNewest(withOlder(known, page('a', false)), page('zyx', true));
    assert.deepEqual([oldestOf(later, none), later.hasMore], ['x', true]);
  });
});
