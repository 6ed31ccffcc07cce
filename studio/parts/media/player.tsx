import { useSignal } from '@preact/signals';
import type { Media } from '../../logic/draft.js';
import { FrameBar } from './frame-bar.js';
import { calm, Moving } from './moving.js';

/** A picture, or a clip with its controls. */
export function Player({ media, alt }: { media: Media; alt: string }) {
  const frame = useSignal(0);
  const playing = useSignal(!calm());
  return (
    <figure class="player">
      <div class="screen" style={{ aspectRatio: `${media.width} / ${media.height}` }}>
        <Moving media={media} frame={frame} playing={playing} leads alt={alt} />
      </div>
      {media.numFrames > 1 && (
        <FrameBar frame={frame} playing={playing} numFrames={media.numFrames} />
      )}
    </figure>
  );
}
