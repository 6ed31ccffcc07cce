/** An upload as it is answered. */
import { z } from '@hono/zod-openapi';
import { FileId } from './media.js';

export const FileView = z
  .object({
    id: FileId,
    object: z.literal('file'),
    bytes: z.int(),
    created_at: z.int(),
    expires_at: z.null(),
    filename: z.string(),
    purpose: z.string(),
    status: z.literal('processed'),
    content_type: z.string(),
    kind: z.enum(['image', 'video', 'lora', 'depth', 'text']),
    width: z.int().nullable(),
    height: z.int().nullable(),
    num_frames: z.int().nullable(),
    fps: z.number().nullable(),
    seconds: z.number().nullable(),
    alpha: z.boolean().nullable().describe('does a picture have transparency?'),
    sound: z.boolean().nullable().describe('has it sound? null: it was not looked for'),
    notes: z.array(z.string()).describe('what was found in it'),
  })
  .openapi('File');
export type FileView = z.infer<typeof FileView>;
