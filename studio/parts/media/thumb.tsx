import type { Media } from '../../logic/draft.js';
import { Still } from './still.js';

/** A small still picture of what a file or result shows. */
export function Thumb({ media }: { media: Media }) {
  const small = Math.max(media.width, media.height) <= 192 ? 'thumb pixels' : 'thumb';
  if (media.still !== null) return <Still media={media} alt="" class={small} />;
  return <img class={small} src={media.thumbUrl} alt="" draggable={false} loading="lazy" />;
}
