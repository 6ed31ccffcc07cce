import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepPrintable, printable, writeControls } from '../../../src/cli/terminal/printable.js';

test('control characters are seen, text and lines stay', () => {
  assert.equal(
    printable('a\x1b[2J.png: \x07 b\r\x7f\x9b1m\u202e'),
    String.raw`a\x1b[2J.png: \x07 b\x0d\x7f\x9b1m\u202e`,
  );
  assert.equal(printable('one\n  two\t3 é 中 🙂\n'), 'one\n  two\t3 é 中 🙂\n');
});

test('a terminal and stderr are kept so; a pipe on stdout gets paths as they are', () => {
  const streamOf = (isTTY: boolean) => {
    const written: unknown[] = [];
    const write = (data: unknown) => written.push(data) > 0;
    return { isTTY, write: write as never, written };
  };
  const [pipe, log, terminal] = [streamOf(false), streamOf(false), streamOf(true)];
  keepPrintable(pipe, log);
  keepPrintable(terminal, log);
  const put = (stream: { write: unknown }, data: unknown) =>
    (stream.write as (data: unknown) => void)(data);
  for (const stream of [pipe, log, terminal]) put(stream, 'a\x1b');
  const shown = String.raw`a\x1b`;
  assert.deepEqual([pipe.written, log.written, terminal.written], [['a\x1b'], [shown], [shown]]);
  put(terminal, Uint8Array.of(27));
  assert.deepEqual(terminal.written[1], Uint8Array.of(27));
});

test('control characters that are meant are written', () => {
  const written: string[] = [];
  const terminal = { isTTY: true, write: (text: string) => written.push(text) };
  keepPrintable(terminal, { write: () => {} });
  writeControls(terminal, '\r\x1b[2K');
  assert.deepEqual(written, ['\r\x1b[2K']);
  writeControls({ write: (text) => written.push(text) }, '\x07');
  assert.equal(written[1], '\x07');
});
