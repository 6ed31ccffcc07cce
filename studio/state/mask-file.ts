/** Masks from pictures and clips that are on the server. */
import type { Media } from '../logic/draft.js';
import { act, emptyMask, type MaskDocument } from '../logic/mask.js';
import type { Gray } from '../logic/mask-actions.js';

/** A mask that can be painted on further; null if it is gone or has another size than its input. */
export async function maskOfMedia(mask: Media | null, input: Media): Promise<MaskDocument | null> {
  // masks are uploads, whose frames the server cuts out
  if (!mask || 'video_id' in mask.source) return null;
  if (mask.width !== input.width || mask.height !== input.height) return null;
  const frames = Array.from({ length: mask.numFrames }, (_, i) => mask.frameUrl?.(i) ?? mask.url);
  let document = emptyMask(input.width, input.height, input.numFrames);
  let last: Gray | null = null;
  for (const [frame, url] of frames.entries()) {
    const gray = await grayOf(url, mask);
    if (last && gray.data.every((value, i) => value === last!.data[i])) continue; // carried over
    document = act(document, { kind: 'picture', frame, gray });
    last = gray;
  }
  return document;
}

async function grayOf(url: string, { width, height }: Media): Promise<Gray> {
  const image = new Image();
  image.src = url;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d')!;
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height }, (_, i) => data[i * 4]!),
  };
}
