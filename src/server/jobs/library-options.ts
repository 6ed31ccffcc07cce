/** A request in the words of the library, with its media as files in the job's folder. */
import type { PlainOptions } from '../engine/messages.js';
import { badRequest } from '../errors.js';
import {
  type DepthInput,
  isMedia,
  type KnownInput,
  type MaskInput,
  type Media,
} from '../schemas/media.js';
import type { VideoRequest } from '../schemas/request.js';
import type { JobInputs } from './inputs.js';

/** The library's options of a request; media are put into the job's folder, and kept in the request. */
export class LibraryOptions {
  constructor(
    private readonly limits: { maxPixels: number; maxFrames: number },
    private readonly inputs: JobInputs,
    private readonly request: VideoRequest,
  ) {}

  /** All but the frames that `seconds` are. */
  async all(): Promise<PlainOptions> {
    const { request } = this;
    const all: PlainOptions = {
      prompt: request.prompt,
      negativePrompt: request.negative_prompt,
      addedPrompt: request.added_prompt,
      size: sizeOf(request.size, this.limits.maxPixels),
      numFrames: this.frames(),
      numInferenceSteps: request.num_inference_steps,
      guidanceScale: request.guidance_scale,
      guidanceRange: request.guidance_range,
      motionScore: request.motion_score,
      solver: request.solver,
      useTSchedule: request.use_t_schedule,
      cacheThreshold: request.cache_threshold,
      noiseAugStrength: request.noise_aug_strength,
      inputs: request.inputs && (await each(request.inputs, (one) => this.media(one, 'inputs'))),
      mask: request.mask && (await this.mask(request.mask)),
      invertMask: request.invert_mask,
      expand: request.expand,
      reference: await this.single('reference'),
      depth: request.depth && (await this.depth(request.depth)),
      depthFrom: await this.single('depth_from'),
      depthIs: request.depth_is,
      known: request.known && (await each(request.known, (one, i) => this.known(one, i))),
      upscale: request.upscale,
      tile: request.tile,
      window: request.window,
      fit: request.fit,
      strict: request.strict,
      keepKnown: request.keep_known,
    };
    // the library takes an option that is undefined as one that is given
    return Object.fromEntries(
      Object.entries(all).filter(([, value]) => value !== undefined),
    ) as PlainOptions;
  }

  private frames(): number | undefined {
    const { num_frames } = this.request;
    return num_frames === undefined ? undefined : atMost(this.limits.maxFrames, num_frames);
  }

  private async media(media: Media, field: string): Promise<string> {
    return this.inputs.place(await this.inputs.kept(media, field), field);
  }

  private async single(name: 'reference' | 'depth_from'): Promise<string | undefined> {
    const media = this.request[name];
    if (media === undefined) return undefined;
    const kept = await this.inputs.kept(media, name);
    this.request[name] = kept;
    return this.inputs.place(kept, name);
  }

  private async mask(mask: MaskInput): Promise<PlainOptions['mask']> {
    if (!isMedia(mask)) return mask as PlainOptions['mask'];
    const kept = await this.inputs.kept(mask, 'mask');
    this.request.mask = kept;
    return this.inputs.place(kept, 'mask');
  }

  private async depth(depth: DepthInput): Promise<PlainOptions['depth']> {
    const list = Array.isArray(depth) ? depth : [depth];
    const kept: typeof list = [];
    const placed: Exclude<PlainOptions['depth'], undefined>[] = [];
    for (const one of list) {
      const part = typeof one === 'object' && 'media' in one ? one : null;
      const media = await this.inputs.kept(part ? part.media : (one as Media), 'depth');
      const path = await this.inputs.place(media, 'depth');
      kept.push(part ? { media, at: part.at } : media);
      placed.push(part ? { media: path, at: part.at } : path);
    }
    this.request.depth = Array.isArray(depth) ? kept : kept[0];
    return placed as PlainOptions['depth'];
  }

  private async known(part: KnownInput, i: number) {
    const field = `known[${i}]`;
    const kept = { ...part, media: await this.inputs.kept(part.media, field) };
    if (part.mask) kept.mask = await this.inputs.kept(part.mask, field);
    if (part.depth) kept.depth = await this.inputs.kept(part.depth, field);
    this.request.known = this.request.known!.map((one, k) => (k === i ? kept : one));
    const { media, mask, depth, ...rest } = kept;
    return {
      ...rest,
      media: await this.media(media, field),
      ...(mask ? { mask: await this.media(mask, field) } : {}),
      ...(depth ? { depth: await this.media(depth, field) } : {}),
    };
  }
}

/** @throws HttpError if these are more frames than are made here */
export function atMost(maxFrames: number, asked: number): number {
  if (asked <= maxFrames) return asked;
  throw badRequest(
    `num_frames: at most ${maxFrames} frames are made here, got ${asked}; ask for fewer`,
    'num_frames',
  );
}

function sizeOf(text: string | undefined, most: number): PlainOptions['size'] {
  if (text === undefined) return undefined;
  const [width, height] = text.split('x').map(Number) as [number, number];
  if (width * height <= most) return { width, height };
  throw badRequest(
    `size: at most ${most} pixels are made here, got ${text}; ask for fewer`,
    'size',
  );
}

export async function each<A, B>(
  list: readonly A[],
  of: (one: A, i: number) => Promise<B>,
): Promise<B[]> {
  const found: B[] = [];
  for (const [i, one] of list.entries()) found.push(await of(one, i));
  return found;
}
