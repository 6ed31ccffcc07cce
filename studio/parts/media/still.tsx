import type { Media } from '../../logic/draft.js';

/** One frame of a clip, which stands still. */
export function Still({ media, alt, class: name }: { media: Media; alt: string; class: string }) {
  return (
    <video
      class={name}
      src={media.url}
      aria-label={alt}
      muted
      playsInline
      preload="auto"
      disablePictureInPicture
      // the middle of the frame, where rounding cannot lead to its neighbour
      onLoadedMetadata={({ currentTarget }) => {
        currentTarget.currentTime = ((media.still ?? 0) + 0.5) / media.fps;
      }}
    />
  );
}
