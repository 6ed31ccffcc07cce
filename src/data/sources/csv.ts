/** Reads CSV tables as spreadsheets write them, separated by commas, semicolons or tabs. */
import { pipeline, Readable } from 'node:stream';
import { CsvError, type Info, type Options, parse } from 'csv-parse';
import { parse as parseWhole } from 'csv-parse/sync';
import { InputError } from '../../errors.js';
import { expectText, MAX_TEXT, textPieces } from './text.js';

export interface CsvRecord {
  /** the line that it begins on, from 1 */
  line: number;
  /** cells by the names in the first line */
  values: Record<string, string>;
}

/** A record, or the problem with it. */
export type CsvEntry = CsvRecord | { line: number; problem: InputError };

/**
 * Reads a table of any size record by record. The format is RFC 4180: cells with separators, line ends or
 * quotes are quoted, and quotes in them are doubled. The separator is guessed from the first line, or
 * given by a line such as "sep=;" above it.
 *
 * @throws InputError for a quote that is not closed, or a record longer than `MAX_TEXT`
 */
export async function* readCsv(path: string): AsyncGenerator<CsvEntry> {
  const pieces = withoutReturns(textPieces(path));
  let start = '';
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    start += next.value;
    if (start.includes('\n') || start.length > MAX_TEXT) break;
  }
  const { options, skipped, body } = dialectOf(path, start);
  async function* whole() {
    yield body;
    yield* pieces;
  }
  // pipeline ends both streams if either fails or the consumer stops early; the error is thrown below
  const parser = parse(options);
  pipeline(Readable.from(whole()), parser, () => {});
  const table = new Table(path, skipped);
  try {
    for await (const found of parser) {
      const entry = table.entry(found as Found);
      if (entry) yield entry;
    }
  } catch (cause) {
    throw inWords(path, cause, table.end);
  } finally {
    await pieces.return(undefined);
  }
}

/** The records of a table that is in memory. @throws InputError for the first faulty one */
export function csvRecords(path: string, text: string): CsvRecord[] {
  const { options, skipped, body } = dialectOf(path, text.replaceAll('\r\n', '\n'));
  const table = new Table(path, skipped);
  const records: CsvRecord[] = [];
  const take = (found: Found) => {
    const entry = table.entry(found);
    if (entry && 'problem' in entry) throw entry.problem;
    if (entry) records.push(entry);
    return null; // so that the parser does not collect the records
  };
  try {
    parseWhole(body, { ...options, on_record: (found) => take(found as unknown as Found) });
  } catch (cause) {
    throw inWords(path, cause, table.end);
  }
  return records;
}

interface Found {
  record: string[];
  info: Info;
}

/** Names the cells of each record by the cells of the first record, the header. */
class Table {
  /** the line that the last record ends on */
  end: number;
  private names: string[] | null = null;
  constructor(
    private readonly path: string,
    private readonly skippedLines: number,
  ) {
    this.end = skippedLines;
  }

  /** null for the header and for an empty record */
  entry({ record, info }: Found): CsvEntry | null {
    // the parser reports only the line on which a record ends
    const inner = record.reduce((sum, cell) => sum + cell.split('\n').length - 1, 0);
    this.end = info.lines + this.skippedLines;
    const line = this.end - inner;
    const where = `${this.path}:${line}`;
    if (record.every((cell) => cell.trim() === '')) return null;
    if (this.names === null) {
      for (const cell of record) expectText(where, cell);
      this.names = record.map((name) => name.trim());
      expectDistinct(where, this.names);
      return null;
    }
    const { names } = this;
    try {
      for (const cell of record) expectText(where, cell);
      if (record.length !== names.length) {
        throw new InputError(
          `${where}: must have ${names.length} columns as the first line has, got ${record.length}; put quotes around text that holds the separator`,
        );
      }
      return { line, values: Object.fromEntries(record.map((cell, i) => [names[i], cell])) };
    } catch (problem) {
      if (problem instanceof InputError) return { line, problem };
      throw problem;
    }
  }
}

function expectDistinct(where: string, names: readonly string[]): void {
  const twice = names.find((name, i) => name !== '' && names.indexOf(name) < i);
  if (twice === undefined) return;
  throw new InputError(`${where}: has two columns "${twice}"; give each a name of its own`);
}

/** The parser's options, and the text without a "sep=" line. */
function dialectOf(path: string, text: string) {
  const stated = /^sep=(.)\n/.exec(text);
  const body = stated ? text.slice(stated[0].length) : text;
  const options: Options = {
    delimiter: stated?.[1] ?? separatorOf(path, body.slice(0, MAX_TEXT)),
    info: true,
    max_record_size: MAX_TEXT,
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
  };
  return { options, skipped: stated ? 1 : 0, body };
}

/** Comma, semicolon or tab, whichever occurs most often in the first line outside of quotes. */
function separatorOf(path: string, text: string): string {
  const line = text.replace(/"[^"]*"/g, '').split(/[\n\r]/, 1)[0]!;
  const count = (separator: string) => line.split(separator).length - 1;
  const usual = path.toLowerCase().endsWith('.tsv') ? '\t' : ',';
  return [',', ';', '\t'].reduce((best, one) => (count(one) > count(best) ? one : best), usual);
}

/** Replaces CR LF by LF, even when split between pieces: the parser would count it as two lines. */
async function* withoutReturns(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let held = '';
  for await (const piece of pieces) {
    const text = held + piece;
    held = text.endsWith('\r') ? '\r' : '';
    yield (held === '' ? text : text.slice(0, -1)).replaceAll('\r\n', '\n');
  }
  yield held;
}

/**
 * Explains an error of the parser. @param end  last line of
 * the last complete record, before the fault
 */
function inWords(path: string, cause: unknown, end: number): unknown {
  if (!(cause instanceof CsvError)) return cause;
  const where = `${path}:${end + 1}`;
  const sentence =
    cause.code === 'CSV_QUOTE_NOT_CLOSED'
      ? 'a quote is not closed; add the closing one'
      : cause.code === 'CSV_MAX_RECORD_SIZE'
        ? `a record must have at most ${MAX_TEXT} characters, got more; is a quote not closed?`
        : cause.message;
  return new InputError(`${where}: ${sentence}`, { cause });
}
