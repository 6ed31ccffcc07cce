/** Uploaded files: a folder for each, with its content and what was found in it. */
import { createReadStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { EngineChild } from '../engine/child.js';
import type { ProbeFacts } from '../engine/messages.js';
import { badRequest, notFound, ToldError } from '../errors.js';
import type { FileView } from '../schemas/file.js';
import { newId, type Shelf, type Stored } from './shelf.js';

export interface FileRecord extends Stored, Omit<ProbeFacts, 'kind' | 'sound'> {
  filename: string;
  purpose: string;
  bytes: number;
  kind: ProbeFacts['kind'] | 'text';
  contentType: string;
  /** absent in records of before it was looked for */
  sound?: boolean;
  /** the name of the content's file in the record's folder */
  file: string;
}

export function fileView(file: FileRecord): FileView {
  const { numFrames, fps } = file;
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: Math.floor(file.createdMs / 1000),
    expires_at: null,
    filename: file.filename,
    purpose: file.purpose,
    status: 'processed',
    content_type: file.contentType,
    kind: file.kind,
    width: file.width,
    height: file.height,
    num_frames: numFrames,
    fps,
    seconds: numFrames === null || fps === null ? null : numFrames / fps,
    alpha: file.alpha,
    sound: file.sound ?? null,
    notes: file.notes,
  };
}

const TEXT = ['.txt', '.json', '.jsonl', '.csv'];

/** The type that a file is answered with: never one that a browser would run. */
const TYPES: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.webp': 'image/webp',
  '.gif': 'image/gif',
  '.avif': 'image/avif',
  '.mp4': 'video/mp4',
  '.m4v': 'video/mp4',
  '.mov': 'video/quicktime',
  '.webm': 'video/webm',
  '.mkv': 'video/x-matroska',
};

/** All types that files may be answered with. */
export const FILE_TYPES = [
  ...new Set(Object.values(TYPES)),
  'text/plain',
  'application/octet-stream',
];

export class Files {
  constructor(
    readonly shelf: Shelf<FileRecord>,
    private readonly checker: EngineChild,
    private readonly maxPixels: number,
  ) {}

  /** @throws HttpError if there is no such file */
  get(id: string): FileRecord {
    const file = this.shelf.get(id);
    if (!file) throw notFound(`${id}: no such file; upload it to /v1/files`);
    return file;
  }

  pathOf(file: FileRecord): string {
    return join(this.shelf.folderOf(file.id), file.file);
  }

  /**
   * Keeps a file that lies at `path`, which is moved. @throws HttpError with a sentence if it is not a
   * picture, a clip, depth, a LoRA or text
   */
  async add(
    path: string,
    { filename, purpose }: { filename: string; purpose: string },
  ): Promise<FileRecord> {
    const id = newId('file');
    const ending = /^\.[a-z0-9]{1,12}$/.exec(extname(filename).toLowerCase())?.[0] ?? '';
    const folder = await this.shelf.makeFolder(id);
    const file = `content${ending}`;
    const kept = join(folder, file);
    try {
      await rename(path, kept);
      const facts = await this.factsOf(kept, filename, ending);
      const { size } = await stat(kept);
      const contentType =
        TYPES[ending] ?? (facts.kind === 'text' ? 'text/plain' : 'application/octet-stream');
      const record = {
        id,
        createdMs: Date.now(),
        filename,
        purpose,
        bytes: size,
        contentType,
        file,
        ...facts,
      };
      await this.shelf.write(record);
      return record;
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      // the file is at fault, not the request as such
      if (error instanceof ToldError && error.body.code !== 'engine_died') {
        throw badRequest(error.body.message, 'file');
      }
      throw error;
    }
  }

  private async factsOf(path: string, name: string, ending: string) {
    if (!TEXT.includes(ending)) {
      return this.checker.call('probe', { path, name, maxPixels: this.maxPixels });
    }
    await expectText(path, name);
    const none = { width: null, height: null, numFrames: null, fps: null, alpha: null };
    return { kind: 'text' as const, ...none, sound: false, notes: [] };
  }
}

async function expectText(path: string, name: string): Promise<void> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  try {
    for await (const chunk of createReadStream(path))
      decoder.decode(chunk as Buffer, { stream: true });
    decoder.decode();
  } catch {
    throw badRequest(`${name}: is not text in UTF-8; save it as that`, 'file');
  }
}
