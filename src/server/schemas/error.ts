/** Errors as the server answers them. */
import { z } from '@hono/zod-openapi';

export const ERROR_TYPES = [
  ...['invalid_request_error', 'authentication_error', 'permission_error', 'not_found_error'],
  ...['conflict_error', 'rate_limit_error', 'server_error'],
] as const;

const Fit = z
  .object({
    num_frames: z.int().optional(),
    size: z.string().optional(),
    dtype: z.string().optional(),
  })
  .openapi('Fit');

export const ErrorBody = z
  .object({
    type: z.string().describe(`one of ${ERROR_TYPES.join(', ')}`),
    code: z.string().describe("the library's code, such as ERR_INPUT, or the server's: queue_full"),
    message: z.string().describe('one sentence, to be shown as it is'),
    param: z.string().nullable().describe('the field that is wrong, if it is one'),
    hint: z.string().nullable().describe('what to do about it, if that is known'),
    fits: z.array(Fit).optional().describe('ERR_MEMORY: changes each of which would fit'),
  })
  .openapi('Error');
export type ErrorBody = z.infer<typeof ErrorBody>;

export const ErrorAnswer = z.object({ error: ErrorBody }).openapi('ErrorAnswer');
