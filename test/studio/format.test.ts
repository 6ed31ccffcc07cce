import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ago, duration, extent, size, withoutFolders } from '../../studio/logic/format.js';

describe('what a line says', () => {
  test('of time', () => {
    assert.deepEqual([0.4, 12.3, 89, 150, 3599, 7500].map(duration), [
      ...['a moment', '12 s', '89 s', '3 min', '1 h', '2 h 5 min'],
    ]);
    assert.equal(ago(1000, 1030), 'just now');
    assert.equal(ago(1000, 1600), '10 min ago');
  });

  test('of memory', () => {
    assert.deepEqual([999, 1500, 362e6, 9.1e9].map(size), ['999 B', '1.5 kB', '362 MB', '9.1 GB']);
  });

  test('of a picture or clip', () => {
    const clip = { width: 96, height: 80, num_frames: 25, fps: 8 };
    assert.equal(extent(clip), '96 × 80, 25 frames at 8 fps');
    assert.equal(extent({ ...clip, num_frames: 1 }), '96 × 80');
    assert.equal(extent({ ...clip, width: null, fps: 29.97003 }), '25 frames at 29.97 fps');
  });

  test('of files by their names alone', () => {
    assert.equal(withoutFolders('jobs/video_1/inputs/0.jpg: 192x192 is'), '0.jpg: 192x192 is');
    assert.equal(withoutFolders('/models/mini: was not trained'), 'mini: was not trained');
    assert.equal(withoutFolders('a share of 1/16: kept'), 'a share of 1/16: kept');
  });
});
