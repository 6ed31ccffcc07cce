/** The figure of a task that decides whether a pipeline beats the baselines. */
import type { FigureId, Subject } from './figures.js';

export interface Headline {
  figure: FigureId;
  /** for which tasks, as a phrase for reports */
  when: string;
  /** which baselines it is compared with, as a phrase for reports */
  against: string;
  /** whether it applies to the given inputs */
  holds(subject: Subject): boolean;
}

/** The first one that applies is used. */
export const HEADLINES: readonly Headline[] = [
  {
    figure: 'attributes',
    when: 'only the prompt is given',
    against: 'the true clip of the next trial, which has another caption: the level of chance',
    holds: ({ laid }) => !laid.any && !laid.shape,
  },
  {
    figure: 'psnr',
    when: 'shape and motion are given as depth',
    against:
      'the given first frame, repeated, or middle gray without one: depth is not a picture that could be copied',
    holds: ({ laid }) => laid.shape,
  },
  {
    figure: 'chromaPsnr',
    when: 'brightness is given',
    against: 'the gray input, which has no colours at all',
    holds: ({ laid }) => laid.kind === 'gray',
  },
  {
    figure: 'unknownPsnr',
    when: 'frames, or parts of them, are not given',
    against:
      'the fills that apply: mean colour and harmonic within frames, nearest frame and cross-fade between frames',
    holds: ({ laid }) => !laid.all,
  },
  {
    figure: 'psnr',
    when: 'all frames are given, at a smaller size or before an edit',
    against: 'the unchanged input, enlarged by bicubic interpolation if it is smaller',
    holds: () => true,
  },
];

export const headlineOf = (subject: Subject): Headline =>
  HEADLINES.find(({ holds }) => holds(subject))!;
