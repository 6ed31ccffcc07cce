import type { Media } from '../../logic/draft.js';

/** A small still picture of what a file or result shows. */
export function Thumb({ media, frame = 0 }: { media: Media; frame?: number }) {
  const small = Math.max(media.width, media.height) <= 192 ? 'thumb pixels' : 'thumb';
  const src = media.frameUrl ? media.frameUrl(frame) : media.url;
  return <img class={small} src={src} alt="" draggable={false} loading="lazy" />;
}
