/** Requests with an Idempotency-Key make one job, however often they are sent. */
import { HttpError } from '../errors.js';
import type { VideoRequest } from '../schemas/request.js';
import { type CreateOptions, type CreateParts, createJob, hashOf } from './create.js';
import type { JobRecord } from './job.js';

const MOST_KEY = 200;

export class Submissions {
  /** jobs that are being made of a request with that key */
  private readonly pending = new Map<string, { hash: string; job: Promise<JobRecord> }>();

  constructor(private readonly parts: CreateParts) {}

  /**
   * @param key       the request's Idempotency-Key
   * @param identity  what the request asks for
   */
  async submit(
    body: VideoRequest,
    { key, identity, ...options }: CreateOptions & { key?: string; identity: unknown },
  ): Promise<JobRecord> {
    if (key === undefined) return createJob(this.parts, body, options);
    if (key === '' || key.length > MOST_KEY) {
      throw new HttpError(
        400,
        'invalid_request',
        `Idempotency-Key: must have 1 to ${MOST_KEY} characters, got ${key.length}; use a UUID`,
        { param: 'Idempotency-Key' },
      );
    }
    const hash = hashOf(identity);
    const before =
      this.pending.get(key) ?? this.parts.jobs.all().find((job) => job.idempotency?.key === key);
    if (before === undefined) {
      const job = createJob(this.parts, body, { ...options, idempotency: { key, hash } });
      this.pending.set(key, { hash, job });
      job.catch(() => {}).finally(() => this.pending.delete(key));
      return job;
    }
    const isSame = 'hash' in before ? before.hash === hash : before.idempotency!.hash === hash;
    if (isSame) return 'hash' in before ? before.job : before;
    throw new HttpError(
      409,
      'idempotency_conflict',
      `Idempotency-Key: "${key}" came with another request before; use a new key for each request`,
      { param: 'Idempotency-Key' },
    );
  }
}
