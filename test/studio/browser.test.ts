import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { chooseBrowser } from './browser.js';

const nothing = { found: null, isCi: false, mayInstall: false };
const SENTENCE = /^there is no Chromium \(chromium, .*\); install it, or set CHROMIUM=.*stories$/;

describe('the browser of the stories', () => {
  test('is the one that is there, whatever else may be done', () => {
    for (const isCi of [true, false]) {
      for (const mayInstall of [true, false]) {
        assert.deepEqual(chooseBrowser({ found: '/usr/bin/chromium', isCi, mayInstall }), {
          path: '/usr/bin/chromium',
        });
      }
    }
  });

  test('is installed where it is missing and may be installed', () => {
    assert.equal(chooseBrowser({ ...nothing, mayInstall: true }), 'install');
    assert.equal(chooseBrowser({ ...nothing, mayInstall: true, isCi: true }), 'install');
  });

  test('may be missing elsewhere, which is said in a sentence', () => {
    const choice = chooseBrowser(nothing) as { skip: string };
    assert.deepEqual(Object.keys(choice), ['skip']);
    assert.match(choice.skip, SENTENCE);
  });

  test('may not be missing on CI: the stories fail instead of being skipped', () => {
    const choice = chooseBrowser({ ...nothing, isCi: true }) as { fail: string };
    assert.deepEqual(Object.keys(choice), ['fail']);
    assert.match(choice.fail, SENTENCE);
  });

  test('that could not be installed is not tried again, and the reason is named', () => {
    const failed = { ...nothing, failure: 'no network' };
    const why =
      "Chromium could not be installed (no network); install it, or set CHROMIUM=/path/to/chromium, to run the studio's stories";
    assert.deepEqual(chooseBrowser(failed), { skip: why });
    assert.deepEqual(chooseBrowser({ ...failed, isCi: true }), { fail: why });
  });
});
