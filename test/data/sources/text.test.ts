import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { jsonRow, shown } from '../../../src/data/sources/json-row.js';
import { decodeText, MAX_TEXT, readText, textLines } from '../../../src/data/sources/text.js';
import { InputError } from '../../../src/errors.js';
import { temporaryFolder } from '../../temp-folder.js';

const folder = temporaryFolder();
const write = (name: string, content: string | Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

describe('decodeText', () => {
  test('drops the mark of UTF-8 and decodes UTF-16 by its own', () => {
    const text = 'a naïve cat';
    const little = Buffer.from(`\uFEFF${text}`, 'utf16le');
    for (const bytes of [Buffer.from(`\uFEFF${text}`), little, Buffer.from(little).swap16()]) {
      assert.equal(decodeText('a.txt', bytes), text);
    }
  });

  test('refuses what would put signs for lost characters into a caption', () => {
    const cases: [Uint8Array, RegExp][] = [
      [Buffer.from('caf\xe9', 'latin1'), /^a\.txt: is not text in UTF-8; save it as UTF-8$/],
      [Buffer.from('a cat', 'utf16le'), /^a\.txt: holds NUL characters/],
      [Buffer.from('caf\uFFFD'), /^a\.txt: .*replacement character \(U\+FFFD\)/],
    ];
    for (const [bytes, message] of cases) {
      assert.throws(() => decodeText('a.txt', bytes), { name: InputError.name, message });
    }
  });
});

test('readText refuses a caption of more than 1 MB', async () => {
  const path = write('long.txt', Buffer.alloc(MAX_TEXT + 1, 'a'));
  await assert.rejects(readText(path), /must be a text of at most 1048576 bytes, got 1048577/);
});

test('textLines numbers lines, whatever ends them, and cuts off absurd ones', async () => {
  const path = write('lines.txt', `a\r\n\n${'x'.repeat(3 * MAX_TEXT)}\nlast`);
  const lines = [];
  for await (const line of textLines(path)) lines.push(line);
  assert.deepEqual(
    lines.map(({ number, text, tooLong }) => [number, text.slice(0, 5), tooLong]),
    [
      [1, 'a', false],
      [2, '', false],
      [3, 'xxxxx', true],
      [4, 'last', false],
    ],
  );
  assert.ok(lines[2]!.text.length < 1000);
});

describe('jsonRow', () => {
  const row = (text: string) => jsonRow('list.jsonl:3', text, '{"image": "a.png"}');

  test('takes an object, brackets in its strings too', () => {
    assert.deepEqual(row('{"a": "[[{\\"", "b": [1]}'), { a: '[[{"', b: [1] });
  });

  test('names place and rule for all else', () => {
    const cases: [string, RegExp][] = [
      ['{"a": 1', /^list\.jsonl:3: must be JSON \(/],
      ['[1]', /^list\.jsonl:3: must be an object, e\.g\. \{"image": "a\.png"\}/],
      [
        `{"a": ${'['.repeat(60_000)}`,
        /^list\.jsonl:3: must be JSON \(it is nested more than 100 levels/,
      ],
      ['{"a": "\uFFFD"}', /^list\.jsonl:3: is not text in UTF-8/],
    ];
    for (const [text, message] of cases) {
      assert.throws(() => row(text), { name: InputError.name, message });
    }
  });

  test('long values are shortened in messages', () => {
    assert.equal(shown('x'.repeat(1000)).length, 121);
  });
});
