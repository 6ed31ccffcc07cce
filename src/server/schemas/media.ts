/** Media in requests: uploads, results of jobs, and pictures as data URLs. */
import { z } from '@hono/zod-openapi';

const frame = z
  .int()
  .optional()
  .describe('one frame of it as a picture: counted from 0, or from the end with -1 for the last');

export const FileId = z.string().regex(/^file_[0-9a-f]{24}$/, {
  error: () => 'must be the id of a file, as POST /v1/files answers it',
});
export const VideoId = z.string().regex(/^video_[0-9a-f]{24}$/, {
  error: () => 'must be the id of a job, as POST /v1/videos answers it',
});

/** The longest data URL: 16 MiB of a picture. */
const MOST_URL = 22_500_000;

export const Media = z
  .union(
    [
      FileId,
      z.strictObject({ file_id: FileId, frame }),
      z.strictObject({ video_id: VideoId, frame }),
      z.strictObject({ image_url: z.string().min(1).max(MOST_URL) }),
    ],
    {
      error: () =>
        'must be the id of a file, { "file_id" }, { "video_id" } of a finished job, either with a "frame", or { "image_url" } with a data URL',
    },
  )
  .describe(
    'an upload ("file_…" or { file_id }), the result of a finished job ({ video_id }), one frame of either ({ …, frame: -1 }), or a picture as a data URL ({ image_url })',
  )
  .openapi('Media');
export type Media = z.infer<typeof Media>;

const length = z.union([
  z.number().min(0).max(16384),
  z
    .string()
    .regex(/^\d+(\.\d+)?%?$/)
    .max(20),
]);

export const MaskInput = z
  .union(
    [
      Media,
      z.strictObject({
        box: z.strictObject({ x: length, y: length, width: length, height: length }),
      }),
      z.strictObject({
        colour: z.tuple([
          z.int().min(0).max(255),
          z.int().min(0).max(255),
          z.int().min(0).max(255),
        ]),
        tolerance: z.int().min(0).max(255).optional(),
      }),
      z.strictObject({ alpha: z.literal(true) }),
    ],
    {
      error: () =>
        'must be a picture or clip that is white in the part to generate, { "box" }, { "colour" } or { "alpha": true }',
    },
  )
  .describe(
    'the part to generate: a picture or clip that is white there, a box in pixels or percent, the pixels of a colour, or the transparent pixels',
  )
  .openapi('Mask');
export type MaskInput = z.infer<typeof MaskInput>;

const at = z
  .union([z.int(), z.tuple([z.int(), z.int()])], {
    error: () =>
      'must be a frame, such as 0 or -1, or the first and the last of a run, such as [24, 40]',
  })
  .describe('a frame, counted from 0 or from the end, or the first and the last of a run');

export const KnownInput = z
  .strictObject({
    media: Media,
    at,
    mask: Media.optional().describe('white is generated, gray keeps a share'),
    invert: z.boolean().optional().describe('swaps the part to generate and the part to keep'),
    gray: z.boolean().optional().describe('only its brightness is known'),
    depth: Media.optional().describe('depth of its frames, white = near'),
    keep: z.number().gt(0).max(1).optional().describe('how much of it is kept'),
  })
  .openapi('Known');
export type KnownInput = z.infer<typeof KnownInput>;

const DepthPart = z.union([Media, z.strictObject({ media: Media, at })], {
  error: () => 'must be media, or { "media", "at" } with a place',
});
export const DepthInput = z
  .union([DepthPart, z.array(DepthPart).min(1).max(100)], {
    error: () => 'must be media, { "media", "at" }, or a list of these',
  })
  .describe('depth maps, white = near; for `any` with a place');
export type DepthInput = z.infer<typeof DepthInput>;

export const LoraInput = z
  .strictObject({
    id: z
      .string()
      .regex(/^(file|ftjob)_[0-9a-f]{24}$/)
      .describe('an uploaded LoRA, or a finished fine-tuning job'),
    scale: z
      .number()
      .min(-1000)
      .max(1000)
      .default(1)
      .describe('strength; 1 is that of its training'),
  })
  .openapi('Lora');
export type LoraInput = z.infer<typeof LoraInput>;
