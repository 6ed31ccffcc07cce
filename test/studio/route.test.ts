import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linkTo, routeOf } from '../../studio/logic/route.js';

describe('the route of an address', () => {
  test('leads to where a link to it came from', () => {
    for (const [page, id] of [
      ['make', 't2v'],
      ['results', 'video_1'],
      ['training', 'a run/with 50%, "and" ü'],
    ] as const) {
      assert.deepEqual(routeOf(linkTo(page, id)), { page, id });
    }
    assert.deepEqual(routeOf(linkTo('queue')), { page: 'queue', id: null });
    assert.deepEqual(routeOf(linkTo('choose')), { page: 'choose', id: null });
  });

  test('is the first page for what is no address, and takes a name as it stands', () => {
    for (const hash of ['', '#', '#/', '#/nothing/here']) {
      assert.deepEqual(routeOf(hash), { page: 'choose', id: null });
    }
    assert.deepEqual(routeOf('#/training/50%'), { page: 'training', id: '50%' });
  });
});
