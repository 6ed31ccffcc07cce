import type { Signal } from '@preact/signals';
import { Icon } from './icon.js';
import type { Playback, Sound } from './moving.js';

interface FrameBarProps extends Playback {
  sound?: Signal<Sound>;
  numFrames: number;
  /** frames that are marked */
  marks?: readonly number[];
}

/** Plays a clip, and goes through it frame by frame. */
export function FrameBar({ frame, playing, sound, numFrames, marks = [] }: FrameBarProps) {
  const step = (by: number) => {
    playing.value = false;
    frame.value = (frame.value + by + numFrames) % numFrames;
  };
  return (
    <fieldset class="frame-bar" aria-label="Frames">
      <button
        type="button"
        class="icon-button"
        aria-label={playing.value ? 'Pause' : 'Play'}
        onClick={() => {
          playing.value = !playing.value;
        }}
      >
        <Icon name={playing.value ? 'pause' : 'play'} />
      </button>
      <button
        type="button"
        class="icon-button"
        aria-label="Previous frame"
        onClick={() => step(-1)}
      >
        <Icon name="previous" />
      </button>
      <span class="frame-track">
        <input
          type="range"
          aria-label="Frame"
          min={0}
          max={numFrames - 1}
          value={Math.min(frame.value, numFrames - 1)}
          onInput={({ currentTarget }) => {
            playing.value = false;
            frame.value = Number(currentTarget.value);
          }}
        />
        {marks.map((mark) => (
          <i key={mark} class="mark" style={{ '--along': mark / Math.max(1, numFrames - 1) }} />
        ))}
      </span>
      <button type="button" class="icon-button" aria-label="Next frame" onClick={() => step(1)}>
        <Icon name="next" />
      </button>
      <span class="frame-number">
        {Math.min(frame.value, numFrames - 1) + 1} / {numFrames}
      </span>
      {sound && sound.value !== 'none' && <SoundButton sound={sound} />}
    </fieldset>
  );
}

/** Says that a clip has sound, and turns it on and off. */
function SoundButton({ sound }: { sound: Signal<Sound> }) {
  const isOn = sound.value === 'on';
  return (
    <button
      type="button"
      class="icon-button"
      aria-pressed={isOn}
      aria-label="Sound"
      title={isOn ? 'Turn the sound off' : 'Turn the sound on'}
      onClick={() => {
        sound.value = isOn ? 'off' : 'on';
      }}
    >
      <Icon name={isOn ? 'loud' : 'silent'} />
    </button>
  );
}
