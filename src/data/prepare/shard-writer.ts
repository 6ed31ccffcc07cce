/** Packs prepared clips into WebDataset shards and lists them. */
import { existsSync } from 'node:fs';
import { open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { writeAtomically } from '../../files/atomic.js';
import { TarWriter } from '../sources/tar.js';
import type { ClipRecord } from './journal.js';
import type { StagedFile } from './make-clips.js';

/** Packs clips in their order, so many to a shard; a shard appears when it is whole. */
export class ShardWriter {
  readonly names: string[] = [];
  readonly rows: Record<string, unknown>[] = [];
  private pending: ClipRecord[] = [];
  constructor(
    private readonly folder: string,
    private readonly staging: string,
    private readonly suffix: string,
    private readonly shardSize: number,
  ) {}

  async add(clips: readonly ClipRecord[]): Promise<void> {
    for (const clip of clips) {
      this.pending.push(clip);
      if (this.pending.length === this.shardSize) await this.end();
    }
  }

  /** Writes what is waiting, unless that was done before the preparation was stopped. */
  async end(): Promise<void> {
    if (this.pending.length === 0) return;
    const name = this.nextName();
    const path = join(this.folder, name);
    if (!existsSync(path)) await this.write(path);
    for (const { files, row, isImage } of this.pending) {
      const named = (role: StagedFile['role']) => {
        const file = files.find((one) => one.role === role);
        return file === undefined ? undefined : `${name}/${file.name}`;
      };
      this.rows.push({
        [isImage ? 'image' : 'video']: named('media'),
        target: named('target'),
        mask: named('mask'),
        depth: named('depth'),
        ...row,
      });
      for (const file of files) await rm(join(this.staging, file.name), { force: true });
    }
    this.names.push(name);
    this.pending = [];
  }

  /** Removes from the staging folder what no clip is waiting for. */
  async cleanUp(): Promise<void> {
    const wanted = new Set(this.pending.flatMap(({ files }) => files.map(({ name }) => name)));
    for (const name of await readdir(this.staging)) {
      if (!wanted.delete(name))
        await rm(join(this.staging, name), { recursive: true, force: true });
    }
    const [missing] = wanted;
    if (missing !== undefined && !existsSync(join(this.folder, this.nextName()))) {
      throw new InputError(
        `${join(this.staging, missing)}: is missing, so this cannot go on; remove ${this.folder} and prepare again`,
      );
    }
  }

  private nextName(): string {
    return `shard${this.suffix}-${String(this.names.length).padStart(6, '0')}.tar`;
  }

  private async write(path: string): Promise<void> {
    await writeAtomically(path, async (temporary) => {
      const file = await open(temporary, 'w');
      try {
        const writer = new TarWriter(file);
        for (const { files } of this.pending) {
          for (const { name, size } of files) {
            await writer.addFile(name, join(this.staging, name), size);
          }
        }
        await writer.end();
        await file.datasync();
      } finally {
        await file.close();
      }
    });
  }
}
