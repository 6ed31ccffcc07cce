import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defineArgs, parseArgs } from '../../../src/cli/terminal/args.js';
import { commandHelp } from '../../../src/cli/terminal/help.js';
import { InputError } from '../../../src/errors.js';

const table = defineArgs({
  positional: {
    task: { kind: 'text', choices: ['t2i', 'i2v', 'vsr'], describe: 'what to make' },
    rest: { kind: 'text', optional: true, repeat: true, describe: 'more' },
  },
  options: {
    prompt: { kind: 'text', short: 'p', describe: 'what to show' },
    input: { kind: 'text', short: 'i', repeat: true, describe: 'image or clip' },
    size: { kind: 'size', multipleOf: 16, describe: 'width and height' },
    steps: { kind: 'integer', min: 1, default: 30, describe: 'sampling steps' },
    guidanceScale: { kind: 'number', describe: 'strength of the prompt' },
    tiling: { kind: 'flag', default: true, describe: 'decode in tiles' },
    set: { kind: 'set', repeat: true, describe: 'change a key' },
    lists: { kind: 'text', repeat: true, many: true, hidden: true, describe: 'as others say it' },
  },
});

const parse = (...words: string[]) => parseArgs('mfm make', table, words);

/** Checks the sentence, and that it is one line that says where. */
function rejects(words: string[], pattern: RegExp) {
  assert.throws(
    () => parse(...words),
    (error: unknown) => {
      assert.ok(error instanceof InputError);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, /^mfm make: [^\n]+$/);
      assert.match(error.message, pattern);
      return true;
    },
  );
}

describe('parseArgs', () => {
  test('reads long, short, attached and repeated options in any order', () => {
    const options = parse('-i', 'a.png', 't2i', '--prompt=a = b', '-ib.png', '--size', '64x48');
    assert.equal(options.task, 't2i');
    assert.equal(options.prompt, 'a = b');
    assert.deepEqual(options.input, ['a.png', 'b.png']);
    assert.deepEqual(options.size, { width: 64, height: 48 });
  });

  test('fills in defaults, empty lists and undefined', () => {
    const options = parse('t2i');
    assert.equal(options.steps, 30);
    assert.equal(options.tiling, true);
    assert.deepEqual(options.input, []);
    assert.equal(options.prompt, undefined);
  });

  test('writes camel-case names with dashes, switches flags off with --no-', () => {
    const options = parse('t2i', '--guidance-scale', '1.5', '--no-tiling');
    assert.equal(options.guidanceScale, 1.5);
    assert.equal(options.tiling, false);
  });

  test('takes a negative number as a value, also as the next word', () => {
    assert.equal(parse('t2i', '--guidance-scale', '-1').guidanceScale, -1);
  });

  test('takes a positional argument by its name', () => {
    assert.equal(parse('--task', 'i2v', '-p', 'a').task, 'i2v');
    assert.equal(parse('-p', 'a', '--task=vsr').task, 'vsr');
    rejects(['--task', 't2x'], /--task: must be one of t2i, i2v, vsr/);
  });

  test('takes several words where an option is for that', () => {
    const { lists, steps, task } = parse('--lists', 'a', 'b', '--steps', '4', '--task', 't2i');
    assert.deepEqual([lists, steps, task], [['a', 'b'], 4, 't2i']);
  });

  test('names the command that explains the options', () => {
    const rows = defineArgs({ options: {}, help: 'mfm make --help' });
    assert.throws(() => parseArgs('a.jsonl:2', rows, ['--x', '1']), {
      message: 'a.jsonl:2: unknown option --x; see `mfm make --help` for all options',
    });
  });

  test('takes everything after -- literally', () => {
    assert.deepEqual(parse('t2i', '--', '--steps', '-x').rest, ['--steps', '-x']);
  });

  test('takes --set apart at the first equals sign', () => {
    const options = parse('t2i', '--set', 'train.rate=1e-4', '--set=a=b=c', '--set', 'list=');
    assert.deepEqual(options.set, [
      { path: ['train', 'rate'], text: '1e-4' },
      { path: ['a'], text: 'b=c' },
      { path: ['list'], text: '' },
    ]);
  });

  test('rejects wrong words with one sentence', () => {
    rejects(['t2i', '--stepz', '4'], /unknown option --stepz; did you mean "--steps"\?/);
    rejects(['t2i', '--frobnicate'], /unknown option --frobnicate; see `mfm make --help`/);
    rejects(['t2i', '-q'], /unknown option -q/);
    rejects(['t2x'], /task: must be one of t2i, i2v, vsr, got "t2x"; did you mean "t2i"\?/);
    rejects([], /TASK is missing \(what to make\)/);
    rejects(['t2i', '--steps'], /--steps needs a value/);
    rejects(['t2i', '--steps', '0'], /--steps: must be a whole number of at least 1, got "0"/);
    rejects(['t2i', '--steps', '2.5'], /whole number/);
    rejects(['t2i', '--steps', ''], /whole number/);
    rejects(['t2i', '--guidance-scale', 'much'], /must be a number, got "much"/);
    rejects(['t2i', '--tiling=yes'], /--tiling takes no value/);
    rejects(['t2i', '--size', '64'], /must be WIDTHxHEIGHT/);
    rejects(['t2i', '--size', '70x40'], /multiples of 16, got 70x40; the nearest is 64x48/);
    rejects(['t2i', '--set', 'steps'], /must be key=value/);
  });

  test('rejects words that no argument takes', () => {
    const one = defineArgs({ positional: { recipe: { kind: 'text', describe: 'file' } } });
    assert.throws(() => parseArgs('mfm x', one, ['a', 'b']), /"b" is one word too many/);
  });
});

test('help tells every option with its choices, default and limits', () => {
  const text = commandHelp('make', { summary: 'makes things', args: table });
  assert.match(text, /^mfm make TASK \[REST\.\.\.\] \[options\]/);
  assert.match(text, /-p, --prompt PROMPT +what to show/);
  assert.match(text, /--size WxH +width and height \(multiples of 16\)/);
  assert.match(text, /--steps N +sampling steps \(default 30\)/);
  assert.match(text, /--no-tiling/);
  assert.doesNotMatch(text, /lists/);
  assert.match(text, /TASK +what to make \(t2i \| i2v \| vsr\)/);
  assert.ok(text.split('\n').every((line) => line.length <= 100));
});
