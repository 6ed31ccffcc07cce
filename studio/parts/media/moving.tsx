import { effect, type Signal } from '@preact/signals';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Media } from '../../logic/draft.js';
import { Still } from './still.js';

export interface Playback {
  frame: Signal<number>;
  playing: Signal<boolean>;
}

/** What is heard of a clip: browsers let one play by itself only if it is silent. */
export type Sound = 'none' | 'off' | 'on';

interface MovingProps extends Playback {
  media: Media;
  /** whether this clip sets the pace; others follow `frame` */
  leads: boolean;
  /** what is heard of it, if it leads; default: nothing */
  sound?: Signal<Sound>;
  alt: string;
}

/** A picture, or a frame of a clip, or the clip as it plays. */
export function Moving(props: MovingProps) {
  const { media, alt, sound } = props;
  const [unplayable, setUnplayable] = useState(false);
  if (media.still !== null) return <Still media={media} alt={alt} class={sharpness(media)} />;
  if (media.kind === 'video' && !media.animation && !unplayable) {
    const onUnplayable = () => {
      setUnplayable(true);
      if (sound) sound.value = 'none';
    };
    return <Clip {...props} onUnplayable={onUnplayable} />;
  }
  if (media.kind === 'video' && media.frameUrl) return <FrameByFrame {...props} />;
  // a picture, or an animation that the browser shows as one
  return <img class={sharpness(media)} src={media.url} alt={alt} draggable={false} />;
}

/** Small pictures are shown as the squares that they are made of. */
const sharpness = ({ width, height }: Media): string =>
  Math.max(width, height) <= 192 ? 'frame pixels' : 'frame';

function Clip({
  media,
  frame,
  playing,
  leads,
  sound,
  alt,
  onUnplayable,
}: MovingProps & { onUnplayable: () => void }) {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = ref.current!;
    /** The middle of a frame, where rounding cannot lead to its neighbour. */
    const show = (index: number) => {
      video.currentTime = (Math.min(index, media.numFrames - 1) + 0.5) / media.fps;
    };
    let waiting = 0;
    const follow = () => {
      waiting = video.requestVideoFrameCallback((_, { mediaTime }) => {
        if (playing.peek())
          frame.value = Math.min(Math.floor(mediaTime * media.fps + 0.01), media.numFrames - 1);
        follow();
      });
    };
    const onEnded = () => {
      if (!playing.peek()) return;
      video.currentTime = 0;
      video.play().catch(() => undefined);
    };
    if (leads) {
      follow();
      video.addEventListener('ended', onEnded);
    }
    const stop = effect(() => {
      const index = frame.value;
      if (playing.value && leads) {
        // a browser may refuse to play before the page was touched; the clip then stands still
        if (video.paused) video.play().catch(() => undefined);
      } else {
        video.pause();
        show(index);
      }
    });
    return () => {
      stop();
      video.cancelVideoFrameCallback(waiting);
      video.removeEventListener('ended', onEnded);
    };
  }, [media.url, leads]);
  return (
    <video
      ref={ref}
      class={sharpness(media)}
      src={media.url}
      aria-label={alt}
      muted={sound?.value !== 'on'}
      playsInline
      preload="auto"
      disablePictureInPicture
      onError={onUnplayable}
    />
  );
}

/** For clips that the browser cannot play: the server decodes them, one frame at a time. */
function FrameByFrame({ media, frame, playing, leads, alt }: MovingProps) {
  useEffect(() => {
    if (!leads) return;
    const timer = setInterval(() => {
      if (playing.peek()) frame.value = (frame.peek() + 1) % media.numFrames;
    }, 1000 / media.fps);
    return () => clearInterval(timer);
  }, [media.url, leads]);
  const index = Math.min(frame.value, media.numFrames - 1);
  return <img class={sharpness(media)} src={media.frameUrl!(index)} alt={alt} draggable={false} />;
}

/** Whether the person asked their system for less motion. */
export const calm = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;
