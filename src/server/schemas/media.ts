/** Media in requests: uploads, results of jobs, and pictures as data URLs. */
import { z } from '@hono/zod-openapi';
import { MOST_TOLERANCE } from '../../limits.js';
import { exactly } from './list.js';

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

/** The id of a file, or where a picture is. */
const MediaText = z
  .string()
  .max(MOST_URL)
  .regex(/^(file_[0-9a-f]{24}$|data:|https?:\/\/)/, {
    error: () => 'must be the id of a file, as POST /v1/files answers it, or a data URL',
  });

export const Media = z
  .union(
    [
      MediaText,
      z.strictObject({ file_id: FileId, frame }),
      z.strictObject({ video_id: VideoId, frame }),
      z.strictObject({ image_url: z.string().min(1).max(MOST_URL) }),
    ],
    {
      error: () =>
        'must be the id of a file, { "file_id" }, { "video_id" } of a finished job, either with a "frame", or a data URL, as text or as { "image_url" }',
    },
  )
  .describe(
    'an upload ("file_…" or { file_id }), the result of a finished job ({ video_id }), one frame of either ({ …, frame: -1 }), or a picture as a data URL ("data:…" or { image_url })',
  )
  .openapi('Media');
export type Media = z.infer<typeof Media>;

/** The address of media, a data URL or another; undefined if they are not given by one. */
export const urlOf = (media: Media): string | undefined => {
  if (typeof media === 'string') return media.startsWith('file_') ? undefined : media;
  return 'image_url' in media ? media.image_url : undefined;
};

/** The upload that media are all of; undefined if they are something else. */
export const fileOf = (media: Media): string | undefined => {
  if (typeof media === 'string') return urlOf(media) === undefined ? media : undefined;
  return 'file_id' in media && media.frame === undefined ? media.file_id : undefined;
};

const length = z.union([
  z.number().min(0).max(16384),
  z
    .string()
    .regex(/^\d+(\.\d+)?%?$/, {
      error: () => 'must be a number of pixels, or a share such as "25%"',
    })
    .max(20),
]);

const byte = z.int().min(0).max(255);

export const MaskInput = z
  .union(
    [
      Media,
      z.strictObject({
        box: z.strictObject({ x: length, y: length, width: length, height: length }),
      }),
      z.strictObject({
        colour: z.tuple([byte, byte, byte]).openapi(exactly(3)),
        tolerance: z.int().min(0).max(MOST_TOLERANCE).optional(),
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

export const isMedia = (mask: MaskInput): mask is Media =>
  typeof mask === 'string' || !('box' in mask || 'colour' in mask || 'alpha' in mask);

const at = z
  .union([z.int(), z.tuple([z.int(), z.int()]).openapi(exactly(2))], {
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
      .min(1)
      .max(200)
      .describe(
        "an uploaded LoRA, a finished fine-tuning job, or the name of a file in the server's folder of LoRAs; GET /v1/loras lists them",
      ),
    scale: z
      .number()
      .min(-1000)
      .max(1000)
      .default(1)
      .describe('strength; 1 is that of its training'),
  })
  .openapi('Lora');
export type LoraInput = z.infer<typeof LoraInput>;
