/** Comma-separated values, as spreadsheets write them. */
import { InputError } from '../errors.js';

export interface CsvRecord {
  /** the line that it begins on, from 1 */
  line: number;
  fields: string[];
}

/**
 * Records of RFC 4180: quotes around fields with commas, line ends or quotes, which are doubled.
 *
 * @param path  starts the error sentence
 * @throws InputError for a quote that is not closed
 */
export function csvRecords(path: string, text: string): CsvRecord[] {
  const records: CsvRecord[] = [];
  let line = 1;
  let start = 1;
  let fields: string[] = [];
  let field = '';
  let quoted = false;
  const endRecord = () => {
    fields.push(field);
    if (fields.length > 1 || fields[0] !== '') records.push({ line: start, fields });
    fields = [];
    field = '';
    start = line;
  };
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  for (let i = 0; i < source.length; i++) {
    const character = source[i]!;
    if (character === '\n') line++;
    if (quoted) {
      if (character !== '"') field += character;
      else if (source[i + 1] === '"') field += source[++i];
      else quoted = false;
    } else if (character === '"' && field === '') quoted = true;
    else if (character === ',') {
      fields.push(field);
      field = '';
    } else if (character === '\n') endRecord();
    else field += character;
  }
  if (quoted) throw new InputError(`${path}:${start}: a quote is not closed; add the closing one`);
  if (field !== '' || fields.length > 0) endRecord();
  return records;
}
