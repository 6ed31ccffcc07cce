import type { Media } from '../../logic/draft.js';

/** A small still picture of what a file or result shows. */
export function Thumb({ media }: { media: Media }) {
  const small = Math.max(media.width, media.height) <= 192 ? 'thumb pixels' : 'thumb';
  return <img class={small} src={media.thumbUrl} alt="" draggable={false} loading="lazy" />;
}
