import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  parseDepth,
  parseKnown,
  withFiles,
} from '../../../../src/cli/commands/generate/placed-options.js';
import { InputError } from '../../../../src/errors.js';

describe('--known', () => {
  const cases: [text: string, part: ReturnType<typeof parseKnown>][] = [
    ['a.png@0', { media: 'a.png', at: 0 }],
    ['a.png@-1', { media: 'a.png', at: -1 }],
    ['b.mp4@24..40', { media: 'b.mp4', at: [24, 40] }],
    ['b.mp4@-8..-1', { media: 'b.mp4', at: [-8, -1] }],
    ['c.png@80,mask=m.png', { media: 'c.png', at: 80, mask: 'm.png' }],
    [
      'c.png@8,mask=m.png,invert,gray,depth=d.png,keep=0.7',
      { media: 'c.png', at: 8, mask: 'm.png', invert: true, gray: true, depth: 'd.png', keep: 0.7 },
    ],
    ['d.mp4@0,grey', { media: 'd.mp4', at: 0, gray: true }],
    // names with @ and commas
    ['me@home.png@3', { media: 'me@home.png', at: 3 }],
    ['a@2@3', { media: 'a@2', at: 3 }],
    ['a, b.png@3,gray', { media: 'a, b.png', at: 3, gray: true }],
    ['a@7,b.png@3', { media: 'a@7,b.png', at: 3 }],
    ['a.png@3,mask=me@2.png', { media: 'a.png', at: 3, mask: 'me@2.png' }],
    ['a.png@3,mask=m@2', { media: 'a.png', at: 3, mask: 'm@2' }],
    ['a.png@3,mask=m, n.png,gray', { media: 'a.png', at: 3, mask: 'm, n.png', gray: true }],
    ['a.png@3,depth=x=y.png', { media: 'a.png', at: 3, depth: 'x=y.png' }],
  ];
  for (const [text, part] of cases) {
    test(text, () => assert.deepEqual(parseKnown(text), part));
  }

  const wrong: [text: string, message: RegExp][] = [
    ['a.png', /^--known: a\.png: needs a place, as in a\.png@0/],
    ['a.png@first', /needs a place/],
    ['@0', /^--known: "@0" has no file before its place$/],
    ['@0,mask=m.png', /has no file before its place$/],
    ['a.png@0,maks=m.png', /"maks=m\.png" means nothing; did you mean "mask"\?$/],
    ['a.png@0,gray=1', /"gray=1" means nothing/],
    ['a.png@0,mask=', /mask needs a value, as in mask=FILE$/],
    ['a.png@0,keep=0', /keep must be above 0 and at most 1, as in keep=0\.7, got "0"$/],
    ['a.png@0,keep=lots', /got "lots"$/],
    ['a.png@0,gray,gray', /has gray twice; give it once$/],
    ['a.png@0,invert', /has no mask to invert; add mask=FILE, or leave it out$/],
  ];
  for (const [text, message] of wrong) {
    test(`${text} is refused`, () => {
      assert.throws(() => parseKnown(text), { name: InputError.name, message });
    });
  }
});

test('--depth may have a place', () => {
  assert.equal(parseDepth('d.mp4'), 'd.mp4');
  assert.equal(parseDepth('me@home.mp4'), 'me@home.mp4');
  assert.deepEqual(parseDepth('d.mp4@0..8'), { media: 'd.mp4', at: [0, 8] });
  assert.deepEqual(parseDepth('e.png@-1'), { media: 'e.png', at: -1 });
});

test('every file of a part is found beside the list that names it', () => {
  const beside = (file: string) => `list/${file}`;
  assert.equal(
    withFiles('a.png@3..5,mask=m.png,gray,depth=d.png,keep=0.5', beside),
    'list/a.png@3..5,mask=list/m.png,gray,depth=list/d.png,keep=0.5',
  );
  assert.equal(withFiles('a.png@3', beside), 'list/a.png@3');
  assert.equal(withFiles('d.mp4', beside), 'list/d.mp4');
});
