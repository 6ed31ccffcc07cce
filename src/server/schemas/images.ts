/** Pictures in OpenAI's shape: what is asked for, and what is answered. */
import { z } from '@hono/zod-openapi';
import { Media } from './media.js';
import { fields, SizeText } from './request.js';

/** Fields of clips, which pictures do not have. */
const OF_CLIPS = { num_frames: true, seconds: true, fps: true, window: true } as const;

const ImageFields = z
  .strictObject(fields)
  .partial()
  .omit(OF_CLIPS)
  .extend({
    // OpenAI's types have null for what is not given
    model: fields.model.nullish(),
    n: z.int().min(1).max(10).nullish().describe('number of pictures; seeds follow one another'),
    size: z.union([z.literal('auto'), SizeText]).nullish(),
    response_format: z.enum(['b64_json', 'url']).nullish(),
    output_format: z.enum(['png', 'jpeg', 'webp']).nullish(),
    output_compression: fields.output_compression.nullish(),
    stream: z.boolean().nullish().describe('send server-sent events'),
    partial_images: z.int().min(0).max(3).nullish().describe('rough pictures in the stream'),
    background: z
      .enum(['auto', 'opaque', 'transparent'])
      .nullish()
      .describe('transparent is refused'),
    quality: z.string().max(20).nullish().describe('accepted; `num_inference_steps` decides'),
    style: z.string().max(20).nullish().describe('accepted, without effect'),
    moderation: z.string().max(20).nullish().describe('accepted, without effect'),
    user: z.string().max(200).optional().describe('accepted, without effect'),
  });

export const ImageGeneration = ImageFields.extend({ prompt: fields.prompt.min(1) }).openapi(
  'ImageRequest',
);
const EditFields = ImageFields.extend({
  images: z.array(Media).max(2).optional().describe('the same as `inputs`'),
  input_fidelity: z.string().max(20).nullish().describe('accepted; `keep_known` decides'),
});
export const ImageEdit = EditFields.extend({
  image: z
    .union([Media, z.array(Media).max(2)])
    .optional()
    .describe('the same as `inputs`, or the only one of them'),
}).openapi('ImageEditRequest');
export type ImageRequest = z.infer<typeof ImageEdit>;

const binary = z.string().openapi({ format: 'binary' });
export const ImageEditForm = EditFields.extend({ image: binary, mask: binary.optional() }).openapi(
  'ImageEditForm',
);

export const ImageUsage = z
  .object({
    input_tokens: z.int(),
    input_tokens_details: z.object({
      text_tokens: z.int().describe('of the prompt, as the text encoder reads it'),
      image_tokens: z.int().describe('latent patches of what is given; 0 if nothing is'),
    }),
    output_tokens: z.int().describe('latent patches of all pictures'),
    total_tokens: z.int(),
  })
  .openapi('ImageUsage');

export const Images = z
  .object({
    created: z.int(),
    background: z.literal('opaque'),
    output_format: z.enum(['png', 'jpeg', 'webp']),
    quality: z.literal('auto'),
    size: z.string(),
    usage: ImageUsage,
    data: z.array(
      z.object({
        b64_json: z.string().optional(),
        url: z.string().optional(),
        video_id: z.string().describe('the job that made it'),
        seed: z.string(),
      }),
    ),
  })
  .openapi('Images');
