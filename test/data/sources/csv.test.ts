import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { csvRecords, readCsv } from '../../../src/data/sources/csv.js';
import { InputError } from '../../../src/errors.js';
import { temporaryFolder } from '../../temp-folder.js';

const folder = temporaryFolder();

/** Records as [line, values], and sentences of those that are none. */
async function read(name: string, content: string | Uint8Array): Promise<unknown[]> {
  const path = join(folder, name);
  writeFileSync(path, content);
  const found: unknown[] = [];
  for await (const entry of readCsv(path)) {
    found.push(
      'problem' in entry
        ? entry.problem.message.replace(path, name)
        : [entry.line, Object.values(entry.values)],
    );
  }
  return found;
}

describe('readCsv', () => {
  const separators = { ',': 'comma', ';': 'semicolon', '\t': 'tab' };
  for (const [separator, name] of Object.entries(separators)) {
    test(`takes a ${name} between cells if the first line has it`, async () => {
      const line = (...cells: string[]) => `${cells.join(separator)}\r\n`;
      const text = line('image', 'prompt') + line('a.png', `"a, b; c\td"`) + line('b.png', '');
      assert.deepEqual(await read('list.csv', text), [
        [2, ['a.png', 'a, b; c\td']],
        [3, ['b.png', '']],
      ]);
    });
  }

  test('counts lines past quoted line ends, empty lines and "sep=;"', async () => {
    const text = 'sep=;\r\na;b\r\n"1\r\n""2"""; 3\r\n\r\n;\r\n4;5\r\n6;7;8\r\n9;10';
    assert.deepEqual(await read('lines.csv', text), [
      [3, ['1\n"2"', ' 3']],
      [7, ['4', '5']],
      'lines.csv:8: must have 2 columns as the first line has, got 3; put quotes around text that holds the separator',
      [9, ['9', '10']],
    ]);
  });

  test('decodes UTF-16 by its mark, as spreadsheets save it', async () => {
    const rows = [[2, ['a.png', 'häßlich']]];
    const text = '\uFEFFimage\tprompt\na.png\thäßlich\n';
    const little = Buffer.from(text, 'utf16le');
    assert.deepEqual(await read('le.csv', little), rows);
    assert.deepEqual(await read('be.csv', Buffer.from(little).swap16()), rows);
    assert.deepEqual(await read('u8.csv', text), rows);
  });

  test('names the record whose bytes are no UTF-8, and goes on', async () => {
    const latin1 = Buffer.from('image,prompt\na.png,h\xe4ßlich\nb.png,good\n', 'latin1');
    const [first, second] = await read('latin1.csv', latin1);
    assert.match(String(first), /^latin1\.csv:2: is not text in UTF-8/);
    assert.deepEqual(second, [3, ['b.png', 'good']]);
  });

  test('says in one sentence what no table is', async () => {
    const cases: [string, string, RegExp][] = [
      ['open.csv', 'a,b\n1,2\n"3\n4\n5', /open\.csv:3: a quote is not closed; add the closing one/],
      ['twice.csv', 'a,b,a\n1,2,3', /twice\.csv:1: has two columns "a"; give each a name/],
      ['long.csv', `a\n${'x'.repeat(3e6)}\n`, /long\.csv:2: .* at most 1048576 characters/],
    ];
    for (const [name, text, message] of cases) {
      await assert.rejects(read(name, text), { name: InputError.name, message });
      assert.throws(() => csvRecords(name, text), { name: InputError.name, message });
    }
  });
});
