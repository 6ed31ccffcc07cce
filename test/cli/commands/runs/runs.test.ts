import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import sharp from 'sharp';
import { inDots, inFonts } from '../../../../src/cli/charts/lettering.js';
import { args } from '../../../../src/cli/commands/runs/options.js';
import { drawPlot } from '../../../../src/cli/commands/runs/plot.js';
import { examples, run } from '../../../../src/cli/commands/runs/runs.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { differences } from '../../../../src/train/run/differences.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { quietly } from '../../quietly.js';

const folder = temporaryFolder();
const home = process.cwd();
before(() => process.chdir(folder));
after(() => process.chdir(home));

const mfm = (...words: string[]) => quietly(() => run(parseArgs('mfm runs', args, words)));

function makeRun(name: string, { steps, factor }: { steps: number; factor: number }): void {
  mkdirSync(join(folder, 'runs', name), { recursive: true });
  const at = (file: string) => join(folder, 'runs', name, file);
  const recipe = { name: 'plain', transformer: { steps: 1000, betas: [0.9, factor] } };
  writeFileSync(at('recipe.json'), JSON.stringify(recipe));
  const lines = Array.from({ length: steps / 20 }, (_, i) => {
    const step = (i + 1) * 20;
    const time = new Date(Date.UTC(2026, 0, 31) + step * 1000).toISOString();
    const loss = factor * (1 + 10 / step);
    const losses = { loss, 'loss/t2v': loss, 'loss/vsr': 9, 'loss/sigma 0-0.25': 5 * loss };
    const figures = { ...losses, gradNorm: 1, skipped: 0, samplesPerSecond: 8 };
    const validation = step % 200 === 0 ? { 'validation/t2v': factor * (2 - step / 1000) } : {};
    return JSON.stringify({ part: 'transformer', step, time, ...figures, ...validation });
  });
  writeFileSync(at('metrics.jsonl'), `${lines.join('\n')}\n`);
}

before(() => {
  makeRun('first', { steps: 1000, factor: 0.5 });
  makeRun('second', { steps: 800, factor: 0.25 });
  mkdirSync(join(folder, 'runs', 'no-run'));
});

describe('mfm runs', () => {
  test('lists the runs of runs/, and no other folders', async () => {
    const { stdout, message } = await mfm();
    assert.equal(message, '');
    const lines = stdout.trimEnd().split('\n');
    assert.equal(lines.length, 3, stdout);
    assert.match(lines[1]!, /^first +unknown +transformer +1000\/1000 +0\.5\d+ +0\.5000 +8\.000 /);
    assert.match(lines[2]!, /^second .* 800\/1000 /);
  });

  test('lists the others beside a run that cannot be read, and passes over what is none', async () => {
    mkdirSync(join('runs', 'odd', 'metrics.jsonl'), { recursive: true });
    writeFileSync(join('runs', 'odd', 'recipe.json'), '{}');
    writeFileSync(join('runs', 'notes.txt'), 'a note');
    symlinkSync('nowhere', join('runs', 'broken'));
    symlinkSync('round', join('runs', 'round'));
    const { stdout, stderr, message } = await mfm();
    for (const name of ['odd', 'notes.txt', 'broken', 'round']) {
      rmSync(join('runs', name), { recursive: true });
    }
    assert.equal(message, '');
    assert.equal(stdout.trimEnd().split('\n').length, 3, stdout);
    assert.match(stderr, /^runs\/odd: cannot be read \(EISDIR.*\)\n$/);
    const below = await mfm('runs/first/recipe.json/x');
    assert.match(below.message, /^runs\/first\/recipe\.json\/x: no such run or folder of runs/);
  });

  test('says the same as JSON', async () => {
    const runs = JSON.parse((await mfm('runs/second', '--json')).stdout);
    assert.deepEqual([runs.length, runs[0].name, runs[0].step], [1, 'second', 800]);
  });

  test('compares two in tables and on a page', async () => {
    const { stdout, message } = await mfm('first', 'runs/second');
    assert.equal(message, '');
    assert.match(stdout, /transformer\.betas +\[0\.9,0\.5\] +\[0\.9,0\.25\]/);
    assert.doesNotMatch(stdout, /plain|skipped/);
    // at step 800, where the second ends: half of the first
    assert.match(stdout, /^loss\/t2v .* -50\.0 %$/m);
    assert.match(stdout, /^validation\/t2v +0\.5000 +0\.3000 +-50\.0 %$/m);
    const page = readFileSync(join('runs', 'compare-first-second', 'report.html'), 'utf8');
    assert.doesNotMatch(page, /<script|src=|href=/);
    for (const word of ['loss/t2v', 'validation/t2v', 'gradNorm', 'first', 'second']) {
      assert.ok(page.includes(`>${word}</text>`), `${word} is in the plot`);
    }
  });

  test('shows a run that has recorded nothing beside others, and says why alone', async () => {
    const failed = join('failed', 'early');
    mkdirSync(failed, { recursive: true });
    writeFileSync(join(failed, 'recipe.json'), '{}');
    const status = {
      state: 'failed',
      part: '',
      step: 0,
      steps: 0,
      updated: '2026-01-01T00:00:00Z',
    };
    writeFileSync(join(failed, 'status.json'), JSON.stringify({ ...status, message: 'no data' }));
    const words = [
      'first',
      'second',
      failed,
      '--figures',
      'loss/t2v',
      '--plot',
      'failed/plot.html',
    ];
    const { stdout, message } = await mfm(...words);
    assert.equal(message, '');
    assert.match(stdout, /^state +unknown +unknown +failed: no data$/m);
    assert.match(stdout, /^loss\/t2v +0\.5\d+ +0\.25\d+ +-$/m);
    const alone = await mfm('first', failed);
    assert.deepEqual([alone.exitCode, alone.stdout], [2, '']);
    assert.match(
      alone.message,
      /^failed\/early: has recorded nothing \(metrics\.jsonl\) and is failed \(no data\); leave it out$/,
    );
  });

  test('draws a picture of chosen figures', async () => {
    const words = ['--figures', '*T2V', '--by', 'samples', '--plot', 'out/plot.png', '--json'];
    const { stdout, message } = await mfm('first', 'second', ...words);
    assert.equal(message, '');
    const { figures, commonStep, plot } = JSON.parse(stdout);
    assert.deepEqual(
      figures.map((one: { figure: string }) => one.figure),
      ['loss/t2v', 'validation/t2v'],
    );
    assert.deepEqual(figures[1].values[1].best, { value: 0.3, step: 800 });
    assert.deepEqual([commonStep, plot], [800, 'out/plot.png']);
    const { data, info } = await sharp(plot)
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    assert.ok(info.width > 1500, `${info.width} pixels wide`);
    const inks = new Set<string>();
    for (let i = 0; i < data.length; i += 3) inks.add(data.subarray(i, i + 3).toString('hex'));
    assert.ok(inks.has('0072b2') && inks.has('d55e00'), 'both curves are there');
  });

  test('takes figures by their whole names or the last part of these', async () => {
    const chosen = async (figures: string) => {
      const words = ['first', 'second', '--figures', figures, '--json'];
      const { stdout, message } = await mfm(...words);
      assert.equal(message, '', figures);
      return JSON.parse(stdout).figures.map((one: { figure: string }) => one.figure);
    };
    assert.deepEqual(await chosen('t2*,gradNorm'), ['loss/t2v', 'validation/t2v', 'gradNorm']);
    assert.deepEqual(await chosen('loss'), ['loss']);
    assert.deepEqual(await chosen('loss/t2v, vsr'), ['loss/t2v', 'loss/vsr']);
  });

  for (const [, example] of examples) {
    test(`does what its help shows: ${example}`, async () => {
      const words = [...example.matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!).slice(1);
      const names: Record<string, string> = { mine: 'first', other: 'second' };
      const { message, stdout } = await mfm(...words.map((word) => names[word] ?? word));
      assert.equal(message, '');
      assert.match(stdout, /first/);
    });
  }

  const bad: [string, string[], RegExp][] = [
    ['an unknown run', ['first', 'secnd'], /^secnd: no such run; did you mean "second"\?$/],
    ['an unknown folder', ['nowhere'], /^nowhere: no such run or folder of runs/],
    ['a folder that is no run', ['first', 'runs/no-run'], /no-run: is not the folder of a run/],
    ['a run named twice', ['first', 'runs/first'], /runs\/first is named twice/],
    [
      'a damaged recipe',
      ['first', 'broken'],
      /broken\/recipe\.json: is damaged \(.*\); restore it/,
    ],
    ['a run without metrics', ['first', 'empty'], /runs\/empty: has recorded nothing yet/],
    [
      'an unknown figure',
      ['first', 'second', '--figures', 't2w'],
      /^--figures: no figure "t2w" in these runs; did you mean "t2v"\?$/,
    ],
    ['an unknown part', ['first', 'second', '--part', 'vae'], /have \(transformer\), got "vae"$/],
    ['nothing to plot', ['runs/no-run', '--plot', 'a.pdf'], /no-run: holds no runs to plot/],
    ['another kind of file', ['first', 'second', '--plot', 'a.pdf'], /end in \.html or \.png, got/],
  ];
  for (const [what, words, sentence] of bad) {
    test(`refuses ${what} in a sentence`, async () => {
      for (const [name, recipe] of [
        ['broken', '{"name": '],
        ['empty', '{}'],
      ] as const) {
        mkdirSync(join('runs', name), { recursive: true });
        writeFileSync(join('runs', name, 'recipe.json'), recipe);
      }
      const { exitCode, message, stdout } = await mfm(...words);
      assert.deepEqual([exitCode, stdout], [2, '']);
      assert.match(message, sentence);
      assert.equal(existsSync('a.pdf'), false);
    });
  }
});

describe('differences', () => {
  test('are dotted paths down to plain values', () => {
    const first = { a: 1, b: { c: [1, 2], d: 'x' }, e: [{ f: 1 }, { f: 2 }] };
    const second = { a: 1, b: { c: [1, 3], d: 'x' }, e: [{ f: 1 }, { f: 3 }], g: { h: null } };
    assert.deepEqual(differences([first, second]), [
      {
        key: 'b.c',
        values: [
          [1, 2],
          [1, 3],
        ],
      },
      { key: 'e.1.f', values: [2, 3] },
      { key: 'g.h', values: [undefined, null] },
    ]);
    assert.deepEqual(differences([first, structuredClone(first), first]), []);
  });
});

describe('drawPlot', () => {
  test('breaks a line where a value is NaN, and writes in dots where there are no fonts', () => {
    const points = [1, 2, Number.NaN, 4, 5].map((value, i) => ({
      step: i,
      seconds: i,
      samples: 0,
      value,
    }));
    const runs = [{ name: '<a>', figures: new Map([['t2v', points]]) }];
    const options = { by: 'steps', smoothing: 0.9, log: true } as const;
    const svg = drawPlot(runs, ['t2v'], options, inFonts);
    assert.match(svg, /d="M[\d.,]+L[\d.,]+M[\d.,]+L[\d.,]+" fill="none"/);
    assert.doesNotMatch(svg, /NaN|<a>/);
    assert.doesNotMatch(drawPlot(runs, ['t2v'], options, inDots), /<text|NaN/);
  });
});
