/** LoRAs that jobs may name: uploads, what fine-tuning jobs made, and files in the server's folder `loras`. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { makeFolder } from '../files/make-folder.js';
import type { EngineChild } from './engine/child.js';
import { badRequest } from './errors.js';
import type { LoraView } from './schemas/model.js';
import type { Files } from './store/files.js';
import type { Training } from './training/training.js';

interface OwnLora {
  name: string;
  path: string;
  ms: number;
}

export interface LoraPlace {
  /** a file, or a folder as programs write it */
  path: string;
  /** may somebody write into it? The server writes its own files once */
  changes: boolean;
}

const ENDING = '.safetensors';

export class Loras {
  constructor(
    private readonly parts: {
      folder: string;
      files: Files;
      training: Training;
      checker: EngineChild;
    },
  ) {
    makeFolder(parts.folder);
  }

  /** The newest first. The folder is read each time, so what is put there is seen at once. */
  async all(): Promise<LoraView[]> {
    const { files, training } = this.parts;
    const uploads = files.shelf
      .all()
      .filter(({ kind }) => kind === 'lora')
      .map(({ id, filename, createdMs }) => view(id, filename, 'upload', createdMs));
    const trained = training.parts.shelf
      .all()
      .filter(({ status, method }) => status === 'succeeded' && method === 'lora')
      .map(({ id, name, endedMs, createdMs }) =>
        view(id, name, 'fine_tuning', endedMs ?? createdMs),
      );
    const own = (await this.whole()).map(({ name, ms }) => view(name, name, 'folder', ms));
    return [...uploads, ...trained, ...own].sort((a, b) => b.created_at - a.created_at);
  }

  /** @throws HttpError if there is none by this name */
  find(id: string): LoraPlace {
    if (/^ftjob_[0-9a-f]{24}$/.test(id)) {
      return { path: this.parts.training.loraOf(id), changes: false };
    }
    if (/^file_[0-9a-f]{24}$/.test(id)) return { path: this.uploaded(id), changes: false };
    const found = this.inFolder().find(({ name }) => name === id);
    if (found) return { path: found.path, changes: true };
    throw badRequest(
      `lora: there is no "${id}" in the server's folder of LoRAs; GET /v1/loras lists what there is`,
      'lora',
    );
  }

  private uploaded(id: string): string {
    const { files } = this.parts;
    const file = files.shelf.get(id);
    if (!file) throw badRequest(`lora: there is no file ${id}; upload it to /v1/files`, 'lora');
    if (file.kind === 'lora') return files.pathOf(file);
    throw badRequest(`lora: ${id} is ${file.filename}, which is no LoRA; name one that is`, 'lora');
  }

  /** What is in the folder, without what is no LoRA, or only a part of one. */
  private async whole(): Promise<OwnLora[]> {
    const found = this.inFolder();
    if (found.length === 0) return [];
    const paths = found.map(({ path }) => resolve(path));
    const whole = await this.parts.checker.call('loras', { paths });
    return found.filter(({ path }) => whole.includes(resolve(path)));
  }

  /** Files by their names without the ending, and folders as programs write them. */
  private inFolder(): OwnLora[] {
    const { folder } = this.parts;
    // whoever puts files there may remove the folder, too
    const entries = existsSync(folder) ? readdirSync(folder) : [];
    return entries.flatMap((entry) => {
      const path = join(folder, entry);
      const found = statSync(path, { throwIfNoEntry: false });
      if (!found || entry.startsWith('.')) return [];
      if (found.isDirectory()) return [{ name: entry, path, ms: found.mtimeMs }];
      if (!entry.endsWith(ENDING)) return [];
      return [{ name: entry.slice(0, -ENDING.length), path, ms: found.mtimeMs }];
    });
  }
}

const view = (
  id: string,
  name: string,
  origin: LoraView['origin'],
  createdMs: number,
): LoraView => ({
  id,
  object: 'lora',
  name,
  origin,
  created_at: Math.floor(createdMs / 1000),
});
