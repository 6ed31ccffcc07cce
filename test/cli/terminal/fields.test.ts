import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { args } from '../../../src/cli/commands/generate/options.js';
import { withOptions } from '../../../src/cli/terminal/fields.js';

describe('withOptions', () => {
  const cases: [sentence: string, shown: string][] = [
    ['t2i: leave out `numFrames`', 't2i: leave out --frames'],
    ["say it with `prompt: 'a red cube'`", 'say it with -p "a red cube"'],
    ['give them with `inputs: [FILE, FILE]`', 'give them with -i FILE -i FILE'],
    ["use `fit: 'pad'`", 'use --fit pad'],
    ['take `size: { width: 64, height: 32 }`', 'take --size 64x32'],
    ['`size: { width, height }` asks for another', '--size WxH asks for another'],
    ['`keepKnown: false`: means nothing', '--no-keep-known: means nothing'],
    ['give `mask: FILE` or `mask: { box }`', 'give --mask FILE or --box x,y,w,h'],
    ['`resume: true` goes on with it', '--resume goes on with it'],
    ['`run: FOLDER` starts another', '--run FOLDER starts another'],
    ['can be its base, or its `init`', 'can be its base, or its --init'],
    ['or try it with `checkMemory: false`', 'or try it with --no-check-memory'],
    ['run `mfm pull ORG/NAME` first', 'run `./mfm pull ORG/NAME` first'],
    ['`constructor` is no field', '`constructor` is no field'],
  ];
  for (const [sentence, shown] of cases) {
    test(shown, () => assert.equal(withOptions(sentence), shown));
  }

  test('names options that there are', () => {
    const shown = ['numFrames', 'size', 'invertMask', 'noiseAugStrength', 'guidanceScale', 'device']
      .map((field) => withOptions(`\`${field}\``).slice(2))
      .map((name) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
    for (const name of shown) assert.ok(name in args.options, name);
  });
});
