import { useSignal } from '@preact/signals';
import type { Media } from '../../logic/draft.js';
import { FrameBar } from './frame-bar.js';
import { calm, Moving, type Sound } from './moving.js';
import { Screen } from './screen.js';

/** A picture, or a clip with its controls. */
export function Player({ media, alt }: { media: Media; alt: string }) {
  const frame = useSignal(0);
  const playing = useSignal(!calm());
  const sound = useSignal<Sound>(media.sound ? 'off' : 'none');
  return (
    <figure class="player">
      <Screen width={media.width} height={media.height}>
        <Moving media={media} frame={frame} playing={playing} sound={sound} leads alt={alt} />
      </Screen>
      {media.numFrames > 1 && !media.animation && (
        <FrameBar frame={frame} playing={playing} sound={sound} numFrames={media.numFrames} />
      )}
    </figure>
  );
}
