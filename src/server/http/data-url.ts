/** Pictures that requests hold as data URLs. */
import { writeFile } from 'node:fs/promises';
import { badRequest, HttpError } from '../errors.js';

/** The bytes of a data URL as a file. @throws HttpError if it is none of a picture */
export async function writeDataUrl(url: string, to: string, field: string): Promise<void> {
  const match = /^data:(image|video)\/[\w.+-]+;base64,/.exec(url);
  if (!match) {
    throw badRequest(
      `${field}: must be a data URL, as in data:image/png;base64,…; upload other files to /v1/files`,
      field,
    );
  }
  const bytes = Buffer.from(url.slice(match[0].length), 'base64');
  if (bytes.length === 0) throw badRequest(`${field}: the data URL holds nothing`, field);
  if (bytes.length > DATA_BYTES) {
    throw new HttpError(
      413,
      'too_large',
      `${field}: holds ${bytes.length} bytes, at most ${DATA_BYTES} fit into a data URL; upload it to /v1/files`,
      { param: field },
    );
  }
  await writeFile(to, bytes);
}

/** The most bytes of a data URL's content. */
const DATA_BYTES = 2 ** 24;
