import { useSignal } from '@preact/signals';
import type { Media } from '../../logic/draft.js';
import type { Margins } from '../../logic/margins.js';
import { FrameBar } from './frame-bar.js';
import { calm, Moving, type Sound } from './moving.js';
import { Screen } from './screen.js';

interface CompareProps {
  before: Media;
  after: Media;
  /** by how much the result is larger than what it was made of, on each side */
  margins: Margins;
}

/** What was given on the left of a line that one drags, and what became of it on the right. */
export function Compare({ before, after, margins }: CompareProps) {
  const frame = useSignal(0);
  const playing = useSignal(!calm());
  const at = useSignal(50);
  // the result has the sound of its input, and leads
  const sound = useSignal<Sound>(after.sound ? 'off' : 'none');
  const { left, right, top, bottom } = margins;
  const place = {
    left: `${(100 * left) / (1 + left + right)}%`,
    top: `${(100 * top) / (1 + top + bottom)}%`,
    width: `${100 / (1 + left + right)}%`,
    height: `${100 / (1 + top + bottom)}%`,
  };
  const numFrames = Math.max(after.numFrames, 1);
  return (
    <figure class="player">
      <Screen
        width={after.width}
        height={after.height}
        class="compare"
        style={{ '--at': `${at.value}%` }}
      >
        <Moving media={after} frame={frame} playing={playing} sound={sound} leads alt="After" />
        <div class="before">
          <div class="before-place" style={place}>
            <Moving media={before} frame={frame} playing={playing} leads={false} alt="Before" />
          </div>
        </div>
        <span class="side-name left">before</span>
        <span class="side-name right">after</span>
        <input
          type="range"
          class="divider"
          aria-label="Before and after"
          min={0}
          max={100}
          step={0.5}
          value={at.value}
          onInput={({ currentTarget }) => {
            at.value = Number(currentTarget.value);
          }}
        />
      </Screen>
      {numFrames > 1 && (
        <FrameBar frame={frame} playing={playing} sound={sound} numFrames={numFrames} />
      )}
    </figure>
  );
}
