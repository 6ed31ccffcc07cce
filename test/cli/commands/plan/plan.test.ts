import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { args, planText } from '../../../../src/cli/commands/plan/plan.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { InputError } from '../../../../src/errors.js';
import { fromRoot } from '../../../../src/files/package-root.js';
import { temporaryFolder } from '../../../temp-folder.js';
import { mfm } from '../../program.js';

const folder = temporaryFolder();

const plan = (...words: string[]) => planText(parseArgs('mfm plan', args, words));
const refused = async (...words: string[]): Promise<string> => {
  try {
    await plan(...words);
  } catch (error) {
    assert.ok(error instanceof InputError, String(error));
    return error.message;
  }
  assert.fail(`${words.join(' ')} was taken`);
};

const mini = fromRoot('recipes/mfm-mini.yaml');
const big = fromRoot('recipes/mfm-8b.yaml');

/** Cells of a stage's rows, by the number of ranks. */
const rowsOf = (text: string, stage: string): Map<string, string[]> => {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`${stage}: `));
  const end = lines.indexOf('', start);
  const cells = lines.slice(start + 2, end).map((line) => line.trim().split(/ {2,}/));
  return new Map(cells.map((row) => [row[0]!, row]));
};

describe('mfm plan', () => {
  test('says memory, network, speed and days of every stage and number of ranks', async () => {
    const text = await plan(big, '--ranks', '64,512');
    assert.match(text, /^mfm-8b: 8\.11 G trained parameters, bfloat16, zero2$/m);
    for (const stage of ['128px', '360px', '720px', 'multi-resolution']) {
      const rows = rowsOf(text, stage);
      assert.deepEqual([...rows.keys()], ['64', '512']);
      const days = [...rows.values()].map((row) => Number(row.at(-1)));
      assert.ok(days[1]! < days[0]! && days[1]! > days[0]! / 9, days.join());
    }
    assert.match(
      text,
      /256 clips of 90 000 tokens \(90\.0 % of the steps\), each shared by 2 ranks/,
    );
  });

  test('takes the batches of the paper on the ranks that its table comes to, in one pass', async () => {
    const text = await plan(big, '--ranks', '256,512');
    // clips of a step, and ranks
    const stages = { '128px': ['4 096', '256'], '360px': ['1 024', '512'] };
    const late = { '720px': ['256', '512'], 'multi-resolution': ['128', '256'] };
    for (const [stage, [clips, ranks]] of Object.entries({ ...stages, ...late })) {
      assert.match(text, new RegExp(`^${stage}: .* ${clips} clips of `, 'm'));
      assert.equal(rowsOf(text, stage).get(ranks!)![1], '1', stage);
    }
  });

  test('follows the options: device, peak, efficiency, links, memory', async () => {
    const cell = async (column: number, ...words: string[]) =>
      Number(rowsOf(await plan(big, '--ranks', '8', ...words), '360px').get('8')![column]!);
    const days = await cell(10);
    assert.ok(Math.abs((await cell(10, '--efficiency', '0.2')) / days - 2) < 0.02, 'efficiency');
    assert.ok(Math.abs((await cell(10, '--peak-tflops', '1978')) / days - 0.5) < 0.01, 'peak');
    const slow = rowsOf(await plan(big, '--ranks', '8', '--bandwidth-within', '0.02'), '360px').get(
      '8',
    )!;
    assert.ok(Number.parseFloat(slow[6]!) > 50, `${slow[6]} waiting on a slow link`);
    const large = await plan(big, '--ranks', '8', '--memory', '1000');
    assert.doesNotMatch(large.replace(/\(\* is.*/, ''), /\*/);
    assert.match(await plan(mini, '--device', 'a100'), /one a100: 312 TFLOP\/s/);
    const given = await plan(mini, '--device', 'cpu', '--peak-tflops', '0.4', '--ranks', '1');
    assert.match(given, /one cpu: 400 GFLOP\/s/);
  });

  test('shares samples among as many ranks as asked', async () => {
    const text = await plan(big, '--ranks', '8', '--sequence-parallel', '4');
    assert.match(text, /^128px: .*each shared by 4 ranks/m);
    assert.match(text, /^720px: .*each shared by 4 ranks/m);
  });

  test('refuses what cannot be, in a sentence', async () => {
    assert.match(
      await refused(mini, '--ranks', '8,x'),
      /--ranks: must be whole numbers .* got "8,x"$/,
    );
    assert.match(await refused(mini, '--ranks', '0'), /--ranks: must be whole numbers from 1/);
    const odd = await refused(big, '--ranks', '8,7');
    assert.match(odd, /--ranks: must be multiples of 2, .* stage 720px, got 7$/);
    const heads = await refused(mini, '--sequence-parallel', '3', '--ranks', '3');
    assert.match(heads, /stage images: sequenceParallel must divide the 4 heads, got 3$/);
    assert.match(await refused('nowhere.yaml'), /^nowhere\.yaml: no such recipe/);
    assert.match(await refused(mini, '--device', 'h200'), /must be one of h100, a100, cpu/);
    assert.match(await refused(mini, '--efficiency', '2'), /from 0\.001 to 1, got "2"$/);
    const tune = join(folder, 'tune.yaml');
    writeFileSync(tune, JSON.stringify({ name: 'tune', base: 'gone', transformer: { steps: 1 } }));
    const gone = join(folder, 'gone');
    assert.equal(
      await refused(tune),
      `base: must be a pipeline folder, got ${gone}, which is none`,
    );
  });

  test('ends with 2 and writes nothing but the sentence', () => {
    const { status, stdout, stderr } = mfm(['plan', '--ranks', 'x'], { cwd: folder });
    assert.deepEqual([status, stdout, stderr.split('\n').length], [2, '', 2]);
    assert.ok(!existsSync(join(folder, 'runs')), 'no run is begun');
  });
});

describe('docs/training-at-scale.md', () => {
  test('has the tables that `mfm plan --markdown` prints', async () => {
    const text = readFileSync(fromRoot('docs/training-at-scale.md'), 'utf8');
    const [, shown] = /<!-- mfm plan --markdown -->\n([\s\S]*?)\n<!-- end -->/.exec(text)!;
    assert.equal(shown, (await plan('--markdown')).trimEnd(), '`./mfm plan --markdown` differs');
  });
});
