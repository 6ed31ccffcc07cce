/** File formats that can be written; the extension selects one. */
import { extname } from 'node:path';
import { InputError } from '../../errors.js';

export const IMAGE_FORMATS = ['.png', '.jpg', '.jpeg', '.webp'] as const;
export const VIDEO_FORMATS = ['.mp4', '.webm', '.gif'] as const;

/** Whether a file of this name holds a picture or a clip; throws InputError for any other extension. */
export function outputKind(path: string): 'image' | 'video' {
  const extension = extname(path).toLowerCase();
  if ((IMAGE_FORMATS as readonly string[]).includes(extension)) {
    return 'image';
  }
  if ((VIDEO_FORMATS as readonly string[]).includes(extension)) {
    return 'video';
  }
  throw new InputError(
    `${path}: must end in ${IMAGE_FORMATS.join(', ')} (a picture) or ${VIDEO_FORMATS.join(', ')} (a clip), got "${extension}"`,
  );
}
