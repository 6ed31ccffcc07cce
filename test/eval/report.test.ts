import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { keep, kept } from '../../src/eval/report.js';
import { isReportFolder } from '../../src/eval/report-folder.js';
import type { ReportSettings } from '../../src/eval/report-format.js';
import { temporaryFolder } from '../temp-folder.js';

const root = temporaryFolder();
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
const isReport = (name: string) => isReportFolder(join(root, name));
const settings = { seed: 0 } as ReportSettings;

describe('isReportFolder', () => {
  test('knows a report and the beginning of one', async () => {
    write('whole/report.json', '{"format": "mfm-eval/0", "settings": {}}');
    await keep(join(root, 'begun'), 't2v', settings, {});
    write('benchmark/conditions/t2v/a-cube/prompt.txt', 'a cube');
    write('stopped/conditions/i2v/a-cube/input/00000.png', '');
    for (const name of ['whole', 'begun', 'benchmark', 'stopped']) assert.ok(isReport(name), name);
  });

  test("does not take others' files of the same names for one", async () => {
    write('coverage/report.json', '{"format": "lcov"}');
    write('text/report.json', 'all is well');
    write('other/tasks/t2v.json', 'buy milk');
    write('list/tasks/t2v.json', '{"report": 1}');
    write('terms/conditions/general.txt', 'no liability');
    write('deep/conditions/general/terms/de.txt', 'no liability');
    await keep(join(root, 'mixed'), 't2v', settings, {});
    write('mixed/tasks/milk.json', '{}');
    mkdirSync(join(root, 'empty/tasks'), { recursive: true });
    for (const name of ['coverage', 'text', 'other', 'list', 'terms', 'deep', 'mixed', 'empty']) {
      assert.ok(!isReport(name), name);
    }
  });
});

test('a stored task that is not JSON is refused in a sentence', () => {
  write('damaged/tasks/t2v.json', 'buy milk');
  assert.throws(() => kept(join(root, 'damaged'), 't2v', settings), {
    name: InputError.name,
    message: /t2v\.json: must be JSON/,
  });
});
