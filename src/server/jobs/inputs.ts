/**
 * Brings the inputs of a request into its job's folder, so that the job has all that it needs, whatever
 * becomes of uploads and of other jobs.
 */
import { copyFile, link, mkdir } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import type { EngineChild } from '../engine/child.js';
import { badRequest, wrongState } from '../errors.js';
import type { Fetcher } from '../http/fetch-url.js';
import type { Media } from '../schemas/media.js';
import type { Files } from '../store/files.js';
import type { Shelf } from '../store/shelf.js';
import type { JobRecord } from './job.js';

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
type KeptMedia = Exclude<Media, { image_url: string }>;

export class JobInputs {
  private count = 0;

  constructor(
    private readonly parts: InputParts,
    private readonly folder: string,
  ) {}

  /** Media with URLs replaced by uploads of what they hold. */
  async kept(media: Media, field: string): Promise<KeptMedia> {
    if (typeof media === 'string' || !('image_url' in media)) return media;
    const { files, fetcher } = this.parts;
    const path = await fetcher.fetch(media.image_url, field);
    const { id } = await files.add(path, {
      filename: nameOf(media.image_url),
      purpose: 'user_data',
    });
    return { file_id: id };
  }

  /** @returns the path of a file in the job's folder, relative to the server's */
  async place(media: KeptMedia, field: string): Promise<string> {
    const source = this.sourceOf(media, field);
    const index = typeof media === 'string' ? undefined : media.frame;
    const ending = index === undefined ? extname(source) : '.png';
    const to = await this.next(ending);
    if (index === undefined) await linked(source, to);
    else await this.parts.checker.call('frame', { path: source, index, to });
    return relative(this.parts.root, to);
  }

  /** An OpenAI mask, which is transparent in the part to edit, as one that is white there. */
  async placeMask(media: KeptMedia, field: string): Promise<string> {
    const source = this.sourceOf(media, field);
    const to = await this.next('.png');
    await this.parts.checker.call('mask', { path: source, to });
    return relative(this.parts.root, to);
  }

  /** A LoRA that was uploaded. */
  async placeLora(id: string): Promise<string> {
    const { files } = this.parts;
    const file = files.get(id);
    if (file.kind !== 'lora') {
      throw badRequest(
        `lora: ${id} is ${file.filename}, which is no LoRA; name one that is`,
        'lora',
      );
    }
    const to = await this.next('.safetensors');
    await linked(files.pathOf(file), to);
    return relative(this.parts.root, to);
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
        `${field}: ${job.id} is ${job.status}, and only the result of a completed job can be used; wait for it`,
      );
    }
    return join(jobs.folderOf(job.id), job.file);
  }
}

/** A second name for a file, or a copy where the disk knows no second names. */
async function linked(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch {
    await copyFile(from, to);
  }
}

/** A name for what a URL holds, with an ending that says its kind. */
function nameOf(url: string): string {
  const data = /^data:image\/(\w+)/.exec(url)?.[1];
  if (data !== undefined) return `picture.${data === 'jpeg' ? 'jpg' : data}`;
  return new URL(url).pathname.split('/').at(-1) || 'download';
}
