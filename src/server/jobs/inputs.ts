/**
 * Brings the inputs of a request into its job's folder, so that the job has all that it needs, whatever
 * becomes of uploads and of other jobs.
 */
import { constants, copyFile, link, mkdir, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative } from 'node:path';
import type { EngineChild } from '../engine/child.js';
import type { Calls } from '../engine/messages.js';
import { badRequest, HttpError, ToldError, wrongState } from '../errors.js';
import type { Fetcher } from '../http/fetch-url.js';
import type { LoraPlace } from '../loras.js';
import type { ErrorBody } from '../schemas/error.js';
import { type Media, urlOf } from '../schemas/media.js';
import type { Files } from '../store/files.js';
import { incomingPath } from '../store/folder.js';
import type { Shelf } from '../store/shelf.js';
import { hasEnded, type JobRecord } from './job.js';

export interface InputParts {
  files: Files;
  jobs: Shelf<JobRecord>;
  checker: EngineChild;
  /** the server's folder, which paths are relative to */
  root: string;
  /** the folder for files that are being received */
  incoming: string;
  fetcher: Fetcher;
}

/** Uploaded media: what a URL becomes, so that the request can be repeated. */
export type KeptMedia = Exclude<Media, { image_url: string }>;

export class JobInputs {
  private count = 0;
  private readonly uploads: string[] = [];

  constructor(
    private readonly parts: InputParts,
    private readonly folder: string,
  ) {}

  /** Media with URLs replaced by uploads of what they hold. */
  async kept(media: Media, field: string): Promise<KeptMedia> {
    const url = urlOf(media);
    if (url === undefined) return media as KeptMedia;
    return this.upload(await this.parts.fetcher.fetch(url, field), nameOf(url), field);
  }

  /** Removes what was uploaded for a request that came to nothing. */
  async forget(): Promise<void> {
    for (const id of this.uploads) await this.parts.files.shelf.remove(id);
  }

  /** What a child process does with the media of a field, which is at fault if it cannot. */
  private async ask<N extends 'frame' | 'mask'>(what: N, takes: Calls[N]['takes']): Promise<void> {
    await this.parts.checker.call(what, takes).catch((error: unknown) => {
      const isAtFault = error instanceof ToldError && error.body.type === 'invalid_request_error';
      if (isAtFault) error.body.param = takes.name;
      throw error;
    });
  }

  private async upload(path: string, filename: string, field: string): Promise<KeptMedia> {
    try {
      const { id } = await this.parts.files.add(path, { filename, purpose: 'user_data' });
      this.uploads.push(id);
      return { file_id: id };
    } catch (error) {
      if (!(error instanceof HttpError && error.body.param === 'file')) throw error;
      // nobody has called it by that name
      throw badRequest(error.message.replace(filename, field), field);
    }
  }

  /** @returns the path of a file in the job's folder, relative to the server's */
  async place(media: KeptMedia, field: string): Promise<string> {
    const source = this.sourceOf(media, field);
    const index = typeof media === 'string' ? undefined : media.frame;
    const ending = index === undefined ? extname(source) : '.png';
    const to = await this.next(ending);
    if (index === undefined) await linked(source, to, field);
    else await this.ask('frame', { path: source, name: field, index, to });
    return relative(this.parts.root, to);
  }

  /** An OpenAI mask, which is transparent in the part to edit, as an upload that is white there. */
  async whiteMask(media: Media, field: string): Promise<KeptMedia> {
    const path = this.sourceOf(await this.kept(media, field), field);
    const to = incomingPath(this.parts.incoming, '.png');
    await this.ask('mask', { path, name: field, to });
    return this.upload(to, 'mask.png', field);
  }

  /** A LoRA, which is a file or a folder of them; their names say in which layout they are. */
  async placeLora({ path: source, changes }: LoraPlace): Promise<string> {
    const to = await this.next(LORA);
    await mkdir(to);
    const found = await stat(source).catch(() => null);
    if (!found) throw gone('lora');
    const isFolder = found.isDirectory();
    const names = isFolder ? await readdir(source) : [basename(source)];
    const folder = isFolder ? source : dirname(source);
    const place = changes ? copied : linked;
    for (const name of names.filter((one) => LORA_FILE.test(one)))
      await place(join(folder, name), join(to, name), 'lora');
    return relative(this.parts.root, isFolder ? to : join(to, basename(source)));
  }

  private async next(ending: string): Promise<string> {
    const folder = join(this.folder, 'inputs');
    await mkdir(folder, { recursive: true });
    return join(folder, `${this.count++}${ending}`);
  }

  private sourceOf(media: KeptMedia, field: string): string {
    const { files, jobs } = this.parts;
    if (typeof media === 'string' || 'file_id' in media) {
      const id = typeof media === 'string' ? media : media.file_id;
      const file = files.shelf.get(id);
      if (!file)
        throw badRequest(`${field}: there is no file ${id}; upload it to /v1/files`, field);
      return files.pathOf(file);
    }
    const job = jobs.get(media.video_id);
    if (!job) throw badRequest(`${field}: there is no job ${media.video_id}; name another`, field);
    if (job.status !== 'completed') {
      throw wrongState(
        `${field}: ${job.id} is ${job.status}, and only the result of a completed job can be used; ${hasEnded(job) ? 'name another' : 'wait for it'}`,
      );
    }
    return join(jobs.folderOf(job.id), job.file);
  }
}

/** Ends the name of a LoRA's folder. */
const LORA = '.lora';
const LORA_FILE = /\.(safetensors|json)$/;

/**
 * A message with paths in a job's folder, which nobody outside knows, as what they are of the job.
 * @param nameOf  what to call the LoRA that lies there
 */
export const inFields = (message: string, nameOf = (_place: string) => 'the LoRA'): string =>
  message
    .replace(/\S*jobs\/video_\w+(\/inputs\/\d+\.lora)(\/[^:;,\s]*)?/g, (_, place: string) =>
      nameOf(place),
    )
    .replace(/\S*jobs\/video_\w+\/inputs\/(\d+)\.?\w*/g, 'input $1')
    .replace(/\S*jobs\/video_\w+\/result\.\w+/g, 'the result');

/** An error of a job with its inputs and its LoRAs as the request calls them. */
export function errorInFields(
  body: ErrorBody,
  { request, loras }: Pick<JobRecord, 'request' | 'loras'>,
): ErrorBody {
  const asked = [request.lora ?? []].flat();
  const nameOf = (place: string) =>
    `lora "${asked[loras.findIndex(({ path }) => path.includes(place))]?.id}"`;
  const message = inFields(body.message, nameOf);
  return {
    ...body,
    message,
    param: body.param ?? (message.startsWith('lora "') ? 'lora' : null),
    hint: body.hint === null ? null : inFields(body.hint, nameOf),
  };
}

/**
 * A second name for a file, or a copy where the disk knows no second names.
 * @throws HttpError if the file is gone
 */
async function linked(from: string, to: string, field: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copied(from, to, field);
  }
}

/** A copy, which shares the file's content on disk where the disk can do that. */
async function copied(from: string, to: string, field: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? gone(field) : error;
  });
}

/** Between a request and its job, others may remove what it names. */
const gone = (field: string): HttpError =>
  badRequest(`${field}: has been removed; name another one`, field);

/** A name for what a URL holds, with an ending that says its kind. */
function nameOf(url: string): string {
  const data = /^data:(image|video)\/(\w+)/.exec(url);
  if (data) {
    const [, kind, format] = data;
    return `${kind === 'image' ? 'picture' : 'clip'}.${format === 'jpeg' ? 'jpg' : format}`;
  }
  return new URL(url).pathname.split('/').at(-1)?.slice(0, 200) || 'download';
}
