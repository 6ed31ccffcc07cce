/** The fields of a request for a result: one list, for checks, for OpenAPI and for the studio's forms. */
import { z } from '@hono/zod-openapi';
import { MOST_FRAMES, MOST_SIDE, MOST_STEPS } from '../../limits.js';
import { exactly } from './list.js';
import { DepthInput, KnownInput, LoraInput, MaskInput, Media } from './media.js';

const part = z.number().min(0).max(1);
const frames = z.int().min(1).max(MOST_FRAMES);
const text = z.string().max(32_000);

export const SizeText = z.string().regex(/^[1-9]\d{0,4}x[1-9]\d{0,4}$/, {
  error: () => 'must be WIDTHxHEIGHT in pixels, such as "640x352"',
});

// the converter to OpenAPI knows no multiples
const side = z.int().min(16).max(MOST_SIDE).multipleOf(16).openapi({ multipleOf: 16 });

const seedRule = () => 'must be a whole number from 0, or its digits as text';
const secondsRule = () => 'must be a number of seconds above 0, such as 4 or "2.5"';

/** A number that JSON holds to the last digit. */
const exactInt = z.int({
  error: ({ code }) =>
    code === 'too_big' ? 'is too large to be exact as a number; write it as text' : undefined,
});

export const fields = {
  task: z.string().max(40).describe('what is made; GET /v1/tasks lists them'),
  model: z.string().max(200).describe('default: the first pipeline of the server'),
  prompt: text.describe('what to show, or what to change'),
  negative_prompt: text.describe("what the result should not show; default: the pipeline's"),
  added_prompt: text.describe("words added to the prompt; default: the pipeline's"),
  seed: z
    .union([exactInt.min(0), z.string().regex(/^\d{1,20}$/, { error: seedRule })], {
      error: seedRule,
    })
    .nullable()
    .describe('the same seed gives the same result; default: a random one'),
  size: SizeText.describe("WIDTHxHEIGHT; default: the input's, or the pipeline's"),
  num_frames: frames.describe("frames of a clip; default: the input's, or the pipeline's"),
  seconds: z
    .union(
      [
        z.number().gt(0).max(1e6),
        z.string().regex(/^(?=.*[1-9])\d{1,7}(\.\d{1,6})?$/, { error: secondsRule }),
      ],
      { error: secondsRule },
    )
    .describe('length of a clip, instead of num_frames'),
  fps: z.number().gt(0).max(1000).describe('frames per second of the written clip'),
  num_inference_steps: z.int().min(1).max(MOST_STEPS).describe('sampling steps'),
  guidance_scale: z
    .number()
    .min(0)
    .max(1000)
    .describe('1 or less means no guidance, which halves the work'),
  guidance_range: z
    .tuple([part, part])
    .openapi(exactly(2))
    .describe('apply guidance at noise levels from the first down to the second, within 1 to 0'),
  motion_score: z.number().min(0).max(1000).describe('how much the clip moves'),
  solver: z
    .enum(['euler', 'dpm++', 'unipc'])
    .describe('dpm++ and unipc need about half as many steps'),
  use_t_schedule: z.boolean().describe('use more steps at high noise'),
  cache_threshold: part.describe(
    'reuse the last full step while little changes; 0.1 saves about a third',
  ),
  noise_aug_strength: part.describe('noise added to the input, so that the result follows it less'),
  input_reference: Media.describe('the first input'),
  inputs: z
    .array(Media)
    .max(2)
    .describe('pictures, clips or depth, in the order in which the task takes them'),
  mask: MaskInput,
  invert_mask: z.boolean().describe('swaps the part to generate and the part to keep'),
  expand: z.string().max(200).describe('how far to extend the picture: 0.25, or left=64,top=0.25'),
  reference: Media.describe('a picture whose palette the result takes'),
  depth: DepthInput,
  depth_from: Media.describe('a clip or picture whose depth is estimated'),
  depth_is: z.enum(['near', 'far', 'distance']).describe('what the values of depth files mean'),
  known: z
    .array(KnownInput)
    .max(100)
    .describe(
      'what is known of a mixture, and where: pictures and clips at places of the time line',
    ),
  upscale: z.number().min(1).max(64).describe('factor by which the input is enlarged'),
  tile: z
    .strictObject({ width: side, height: side })
    .nullable()
    .describe('tile size for a large result; null: no tiles'),
  window: frames.describe('frames per window of a long result, 4k + 1'),
  fit: z.enum(['crop', 'pad', 'stretch']).describe('how an input of another shape is fitted'),
  strict: z.boolean().describe('fail instead of fitting sizes, shapes, lengths or rates'),
  keep_known: z.boolean().describe("put the input's known pixels back into the result"),
  lora: z
    .union([LoraInput, z.array(LoraInput).max(16)], {
      error: () => 'must be { "id", "scale" }, or a list of these',
    })
    .describe('LoRAs to add to the weights'),
  output_format: z
    .enum(['mp4', 'webm', 'gif', 'png', 'jpeg', 'webp'])
    .describe('of the file; default: mp4 for a clip, png for a picture'),
  output_compression: z
    .int()
    .min(0)
    .max(100)
    .describe(
      'quality of a jpeg or webp, from 0, which gives the smallest file, to 100; default: 95',
    ),
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((entries) => Object.keys(entries).length <= 16, 'must have at most 16 entries')
    .openapi({ maxProperties: 16 })
    .describe('kept with the job, for your own use'),
};

export type FieldName = keyof typeof fields;

const Fields = z.strictObject(fields).partial();
type Fields = z.infer<typeof Fields>;

/** A request for a result, for any task; to be extended, which one with a name in OpenAPI cannot be. */
export const VideoFields = Fields.extend({
  extra_params: Fields.optional().describe(
    'any of these fields, for clients that know only some of them; a field that is given twice counts as it is outside',
  ),
});
export const VideoBody = VideoFields.openapi('VideoRequest');

/** The same without `extra_params`, as it is kept with the job. */
export type VideoRequest = Fields;

/** One request from a body with `extra_params`. */
export function merged({ extra_params, ...body }: z.infer<typeof VideoBody>): VideoRequest {
  return { ...extra_params, ...body };
}

/** A source clip: an earlier job, or media. */
export const SourceVideo = z
  .union([z.strictObject({ id: z.string().max(40) }), Media], {
    error: () => 'must be { "id" } of a job, or media',
  })
  .describe('the clip: { "id" } of a job, or media');
