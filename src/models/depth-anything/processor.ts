/**
 * Preparing pictures for the depth model and resizing its maps afterwards, as configured by
 * `preprocessor_config.json` (transformers `DPTImageProcessor`, its Pillow path).
 */
import { z } from 'zod';
import { checkConfig, count } from '../../check-config.js';
import { InputError } from '../../errors.js';
import { MOST_SIDE } from '../../limits.js';
import {
  expectFrames,
  type Frames,
  type ResampleFilter,
  resize,
  resizeFrames,
  type Size,
} from '../../media/index.js';
import { roundHalfToEven } from '../../round.js';
import { fromArray, ops, type Tensor, tidy } from '../../tensor/index.js';

const unused = 'preserved in the file; has no effect on depth';

/** Resampling filters by Pillow's numbers; 5, Hamming, is not implemented. */
const FILTERS: ResampleFilter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box'];

const side = count(MOST_SIDE);
const perChannel = (perColour: z.ZodNumber) =>
  z.union([perColour, z.tuple([perColour, perColour, perColour])]).nullish();

export const DepthProcessorConfig = z
  .strictObject({
    // the fast processor resizes in floating point: its pixels differ from these by about one level
    image_processor_type: z.enum(['DPTImageProcessor', 'DPTImageProcessorFast']).optional(),
    feature_extractor_type: z.literal('DPTFeatureExtractor').optional(),
    do_resize: z.boolean().default(true),
    size: z
      .union([side, z.strictObject({ height: side, width: side })])
      .default({ height: 384, width: 384 })
      .describe('size to which pictures are resized'),
    keep_aspect_ratio: z
      .boolean()
      .default(false)
      .describe('scale both sides by the same factor, the one of the two that is nearer to 1'),
    ensure_multiple_of: count(MOST_SIDE).default(1).describe('sides are rounded to multiples'),
    resample: z
      .int()
      .min(0)
      .max(4, 'must be 0 to 4: the Hamming filter is not implemented')
      .default(3)
      .describe('filter, by its number in Pillow; 3 is bicubic'),
    do_rescale: z.boolean().default(true),
    rescale_factor: z
      .number()
      .positive()
      .default(1 / 255),
    do_normalize: z.boolean().default(true),
    image_mean: perChannel(z.number()).transform((mean) => triple(mean ?? 0.5)),
    image_std: perChannel(z.number().positive()).transform((std) => triple(std ?? 0.5)),
    do_pad: z.boolean().default(false).describe('pad with zeros to multiples of size_divisor'),
    size_divisor: count(MOST_SIDE).nullish(),

    processor_class: z.string().nullish().describe(unused),
    do_reduce_labels: z.boolean().nullish().describe(unused),
    _valid_processor_keys: z.array(z.string()).optional().describe(unused),
    data_format: z.literal('channels_first').nullish(),
    input_data_format: z.string().nullish().describe(unused),
    return_tensors: z.string().nullish().describe(unused),
    device: z.string().nullish().describe(unused),
    disable_grouping: z.boolean().nullish().describe(unused),
    default_to_square: z.boolean().nullish().describe(unused),
    do_convert_rgb: z.boolean().nullish().describe(unused),
    do_center_crop: z.literal(false, 'must be false: cropping is not implemented').nullish(),
    crop_size: z.unknown().optional().describe(unused),
    pad_size: z.null('must be null: padding is set by size_divisor').optional(),
  })
  .refine((config) => !config.do_pad || config.size_divisor, {
    path: ['size_divisor'],
    error: 'must be set with do_pad',
  });
export type DepthProcessorConfig = z.infer<typeof DepthProcessorConfig>;

type Triple = [number, number, number];
const triple = (value: number | Triple): Triple =>
  typeof value === 'number' ? [value, value, value] : value;

/**
 * Checks a `preprocessor_config.json` and fills in the class's defaults.
 *
 * @throws InputError naming every key that is unknown or has an unsupported value
 */
export function parseDepthProcessorConfig(
  source: unknown,
  where = 'depth preprocessor config',
): DepthProcessorConfig {
  return checkConfig(DepthProcessorConfig, source, where);
}

/** The values of the published small, base and large models. */
export const DEPTH_ANYTHING_PROCESSOR = DepthProcessorConfig.parse({
  size: { height: 518, width: 518 },
  keep_aspect_ratio: true,
  ensure_multiple_of: 14,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
});

export class DepthProcessor {
  /** the normalised value of each byte, one table per colour channel */
  private readonly tables: Float32Array[];

  constructor(readonly config: DepthProcessorConfig) {
    this.tables = config.image_mean.map((_, c) =>
      Float32Array.from({ length: 256 }, (_, byte) => this.valueOf(byte, c)),
    );
  }

  /** The model's input: `frames`, resized and normalised, [F, 3, h, w] float32. */
  pixelValues(frames: Frames): Tensor {
    return tidy(() => this.padded(this.normalised(this.resized(frames))));
  }

  /**
   * The size to which pictures of the given size are resized.
   * @throws InputError if a side would be rounded to 0
   */
  sizeFor({ height, width }: Size): Size {
    const { do_resize, size, keep_aspect_ratio, ensure_multiple_of: multiple } = this.config;
    if (!do_resize) return { height, width };
    const target = typeof size === 'number' ? { height: size, width: size } : size;
    let scaleHeight = target.height / height;
    let scaleWidth = target.width / width;
    if (keep_aspect_ratio) {
      // the scale nearer to 1, so that the size changes least; the height's in case of a tie
      if (Math.abs(1 - scaleWidth) < Math.abs(1 - scaleHeight)) scaleHeight = scaleWidth;
      else scaleWidth = scaleHeight;
    }
    const rounded = (length: number) => roundHalfToEven(length / multiple) * multiple;
    const fitted = { height: rounded(scaleHeight * height), width: rounded(scaleWidth * width) };
    if (fitted.height === 0 || fitted.width === 0) {
      throw new InputError(
        `depth: frames of ${width}x${height} are too narrow: they would be resized to ${fitted.width}x${fitted.height}; crop the longer side`,
      );
    }
    return fitted;
  }

  resized(frames: Frames): Frames {
    const filter = FILTERS[this.config.resample]!;
    return resizeFrames(frames, this.sizeFor(frames), filter);
  }

  /** [F, H, W, 3] bytes → [F, 3, H, W] float32 */
  normalised(frames: Frames): Tensor {
    expectFrames('depth', frames);
    const { width, height, numFrames, data } = frames;
    const plane = width * height;
    const values = new Float32Array(plane * numFrames * 3);
    for (const [c, table] of this.tables.entries()) {
      for (let frame = 0; frame < numFrames; frame++) {
        let from = frame * plane * 3 + c;
        const start = (frame * 3 + c) * plane;
        for (let i = start; i < start + plane; i++, from += 3) values[i] = table[data[from]!]!;
      }
    }
    return fromArray(values, [numFrames, 3, height, width]);
  }

  /** The factor is applied in float64, mean and deviation in float32, as in the reference. */
  private valueOf(byte: number, colour: number): number {
    const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = this.config;
    const value = Math.fround(do_rescale ? byte * rescale_factor : byte);
    if (!do_normalize) return value;
    const [mean, std] = [Math.fround(image_mean[colour]!), Math.fround(image_std[colour]!)];
    return Math.fround(Math.fround(value - mean) / std);
  }

  private padded(pixelValues: Tensor): Tensor {
    const { do_pad, size_divisor } = this.config;
    if (!do_pad) return pixelValues;
    const [top, bottom, left, right] = pixelValues.shape.slice(2).flatMap((length) => {
      const missing = Math.ceil(length / size_divisor!) * size_divisor! - length;
      return [Math.floor(missing / 2), Math.ceil(missing / 2)];
    });
    return ops.constantPadNd(pixelValues, [left!, right!, top!, bottom!]);
  }
}

/**
 * The model's maps resized, usually to the size of the pictures: bicubic with a = -0.75, neither
 * antialiased nor clipped, so relative depth may be slightly below 0.
 *
 * @param predicted  [B, h, w]
 * @returns          [B, size.height, size.width] float32
 */
export function depthAtSize(predicted: Tensor, size: Size): Tensor {
  return resize(predicted.to('float32'), size, { antialias: false });
}
