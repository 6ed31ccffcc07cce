/** The one figure of a task that says whether a pipeline is better than what needs no model. */
import type { FigureId, Subject } from './figures.js';

export interface Headline {
  figure: FigureId;
  /** of which tasks, for reports */
  when: string;
  /** what it has to be above */
  against: string;
  /** does it hold for what is given? */
  holds(subject: Subject): boolean;
}

/** The first that holds counts. */
export const HEADLINES: readonly Headline[] = [
  {
    figure: 'attributes',
    when: 'nothing is given but the prompt',
    against: "the true clip of the next trial, which is another caption's: what chance reaches",
    holds: ({ laid }) => !laid.any && !laid.shape,
  },
  {
    figure: 'psnr',
    when: 'shape and motion are given as depth',
    against:
      'the given first frame throughout, or middle gray without one: depth is no picture to be copied',
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
      'the fills that apply: mean colour and harmonic within frames, nearest frame and cross-fade between them',
    holds: ({ laid }) => !laid.all,
  },
  {
    figure: 'psnr',
    when: 'all frames are given, smaller or before an edit',
    against: 'the input as it is, enlarged by bicubic interpolation where it is smaller',
    holds: () => true,
  },
];

export const headlineOf = (subject: Subject): Headline =>
  HEADLINES.find(({ holds }) => holds(subject))!;
