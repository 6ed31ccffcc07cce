/**
 * The figures of a result, each with its definition. Which of them apply follows from the inputs, and
 * from whether the true clip is the only right answer, not from the task's name.
 */
import { findSolids, trackSolids } from '../data/miniworld/analyse.js';
import type { Frames } from '../media/index.js';
import type { EfficientNetFeatures } from '../models/efficientnet/index.js';
import type { DepthEstimator, Task } from '../tasks/index.js';
import type { Laid } from './baselines.js';
import { chromaPsnr } from './chroma.js';
import { featureDistance, type Look } from './metrics/feature-distance.js';
import {
  clipPsnr,
  depthBeyondRows,
  depthCorrelation,
  holeColourDrift,
  knownRegionError,
  motionSmoothnessByFlow,
  seam,
  ssim,
  temporalFlicker,
} from './metrics/index.js';
import { countNamed, type NameCount } from './naming.js';
import { mean } from './quality.js';
import { editFollowed } from './solids/edit-followed.js';
import { shapesAtEnd } from './solids/kept.js';
import type { Trial } from './trials.js';

/** The context in which a clip is measured. */
export interface Subject {
  task: Pick<Task, 'prompt'>;
  trial: Trial;
  laid: Laid;
  /** default: none, so the depth of results is not measured */
  estimateDepth?: DepthEstimator | null;
  /** a network whose features are compared, and what it finds in the clips; default: none */
  network?: EfficientNetFeatures | null;
  looks?: ReadonlyMap<Frames, Look>;
  /** the pipeline's results of this trial from several seeds, the measured one first; default: none */
  repeats?: readonly Frames[];
  /** results with fewer sampling steps, and the one with the most; default: none */
  fewerSteps?: { clips: ReadonlySet<Frames>; most: Frames };
}

/** A sum over `count` trials, or solids named in captions, or a pair of sums. The figure is sum / count. */
export interface Tally {
  sum: number;
  count: number;
}

export interface Figure {
  id: string;
  name: string;
  unit: 'dB' | '%' | 'levels' | '';
  /** 'near truth': meaningful only in comparison with the value of the true clips */
  better: 'higher' | 'lower' | 'near truth';
  definition: string;
  /** it is a ratio of two sums over trials, so `count` counts nothing; default: false */
  ratio?: true;
  /** null if it does not apply */
  of(clip: Frames, subject: Subject): Tally | null;
}

const one = (value: number | null): Tally | null =>
  value === null || !Number.isFinite(value) ? null : { sum: value, count: 1 };

/** With a condition the true clip is the expected answer; a prompt alone has many right answers. */
const hasTruth = ({ laid }: Subject): boolean => laid.any || laid.shape;
const isPartly = ({ laid }: Subject): boolean => laid.any && !laid.all;
/** The known pixels equal those of the true clip. */
const knowsPixels = (subject: Subject): boolean =>
  isPartly(subject) && subject.laid.kind === 'whole';
const hasBorder = ({ laid }: Subject): boolean => laid.inEach;

/** A figure of depth, where depth is given and there is a model to estimate the result's. */
const ofGivenDepth =
  (measure: typeof depthCorrelation): Figure['of'] =>
  (clip, { trial: { given }, estimateDepth }) =>
    given.geometry.length > 0 && estimateDepth
      ? one(measure(clip, given.geometry, estimateDepth))
      : null;

/** Largest difference, in levels of 0..255, that compression and resizing may cause. */
const CHANGE = 8;
const differs = (a: Frames, b: Frames, p: number): boolean =>
  [0, 1, 2].some((c) => Math.abs(a.data[p * 3 + c]! - b.data[p * 3 + c]!) > CHANGE);

/** Of all pairs of results from several seeds; null for other clips than the measured result. */
const ofRepeats =
  (difference: (a: Frames, b: Frames, subject: Subject) => number | null): Figure['of'] =>
  (clip, subject) => {
    const { repeats = [] } = subject;
    if (repeats.length < 2 || clip !== repeats[0]) return null;
    const pairs = repeats.flatMap((a, i) => repeats.slice(i + 1).map((b) => [a, b] as const));
    const values = pairs.map(([a, b]) => difference(a, b, subject));
    return values.every((value) => value !== null) ? one(mean(values)) : null;
  };

/** Root of the mean squared difference of pixels, in levels. */
function pixelDifference(a: Frames, b: Frames): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i]! - b.data[i]!) ** 2;
  return Math.sqrt(sum / a.data.length);
}

/** 1 where the clip before an edit and the true one after it differ; null if nothing is edited. */
function editedPart({ laid, trial: { truth } }: Subject): Uint8Array | null {
  if (!laid.all || laid.kind !== 'whole') return null;
  const changed = laid.hole.map((_, p) => (differs(laid.clip, truth, p) ? 1 : 0));
  return changed.includes(1) ? changed : null;
}

export const FIGURES = [
  {
    id: 'psnr',
    name: 'PSNR',
    unit: 'dB',
    better: 'higher',
    definition:
      '10 log10(255² / mean squared difference from the true clip), over all pixels and channels of a clip; at most 60, the value of identical clips',
    of: (clip, subject) => (hasTruth(subject) ? one(clipPsnr(clip, subject.trial.truth)) : null),
  },
  {
    id: 'unknownPsnr',
    name: 'PSNR of the unknown part',
    unit: 'dB',
    better: 'higher',
    definition: 'PSNR over the pixels in the hole and the frames that were not given only',
    of: (clip, subject) =>
      isPartly(subject) ? one(clipPsnr(clip, subject.trial.truth, subject.laid.hole)) : null,
  },
  {
    id: 'knownPsnr',
    name: 'PSNR of the known part',
    unit: 'dB',
    better: 'higher',
    definition: 'PSNR over the given pixels and frames only: are they preserved?',
    of: (clip, subject) =>
      knowsPixels(subject)
        ? one(
            clipPsnr(
              clip,
              subject.trial.truth,
              subject.laid.hole.map((is) => 1 - is),
            ),
          )
        : null,
  },
  {
    id: 'changedPsnr',
    name: 'PSNR of the edited part',
    unit: 'dB',
    better: 'higher',
    definition: `for edits: PSNR over the pixels in which some channel differs by more than ${CHANGE} levels between the input and the true clip`,
    of: (clip, subject) => {
      const edited = editedPart(subject);
      return edited && one(clipPsnr(clip, subject.trial.truth, edited));
    },
  },
  {
    id: 'unchangedPsnr',
    name: 'PSNR of the unedited part',
    unit: 'dB',
    better: 'higher',
    definition: 'for edits: PSNR over the other pixels, which an edit leaves as they were',
    of: (clip, subject) => {
      const edited = editedPart(subject);
      if (!edited?.includes(0)) return null;
      return one(
        clipPsnr(
          clip,
          subject.trial.truth,
          edited.map((is) => 1 - is),
        ),
      );
    },
  },
  {
    id: 'editFollowed',
    name: 'instruction followed',
    unit: '%',
    better: 'higher',
    definition:
      "for edits: share of the frames that show the new colour, shape or size, the added solid, or nothing in place of the removed one, as recognised by MiniWorld's analyser; frames count in which it recognises the edit in the true clip and not in the input",
    of: (clip, { task, laid, trial: { scene, truth } }) => {
      if (!scene || task.prompt !== 'instruction' || !laid.all) return null;
      const followed = editFollowed(clip, { input: laid.clip, truth, scene: scene.scene });
      return followed === null ? null : { sum: 100 * followed, count: 1 };
    },
  },
  {
    id: 'chromaPsnr',
    name: 'PSNR of the colours',
    unit: 'dB',
    better: 'higher',
    definition:
      'for gray inputs: PSNR over the planes Cb and Cr (ITU-R BT.601, full range) only, since the brightness is given',
    of: (clip, subject) =>
      subject.laid.kind === 'gray' ? one(chromaPsnr(clip, subject.trial.truth)) : null,
  },
  {
    id: 'ssim',
    name: 'SSIM',
    unit: '',
    better: 'higher',
    definition:
      'structural similarity with the true clip (Wang et al. 2004, Gaussian window of 11 pixels), mean over channels and frames; 1 if identical',
    of: (clip, subject) =>
      hasTruth(subject) && Math.min(clip.width, clip.height) >= 11
        ? one(clip === subject.trial.truth ? 1 : ssim(clip, subject.trial.truth))
        : null,
  },
  {
    id: 'featureDistance',
    name: 'feature distance',
    unit: '',
    better: 'lower',
    definition:
      'perceptual distance from the true clip: EfficientNet-Lite0’s features at five sizes by LPIPS’s formula with uniform weights, mean over frames; 0 if identical, on photos about 0.3 after bicubic reduction by 2, 0.7 by 4, and 1.7 between two of them',
    of: (clip, subject) =>
      hasTruth(subject) ? one(subject.looks?.get(clip)?.distance ?? null) : null,
  },
  {
    id: 'kernelDistance',
    name: 'kernel distance',
    unit: '',
    better: 'lower',
    definition:
      'between all results and all true clips, as sets: the unbiased squared maximum mean discrepancy of EfficientNet-Lite0’s features of whole pictures, mean over frames, with the kernel (cosine + 1)³; 0 on average if they are of one kind, so small ones may be below 0; read it with its error',
    of: () => null, // of whole sets: see summary/sets.ts
  },
  {
    id: 'knownError',
    name: 'change of the known part',
    unit: 'levels',
    better: 'lower',
    definition:
      'mean absolute difference, 0..255, between the known pixels around a hole in the result and in the input',
    of: (clip, subject) =>
      hasBorder(subject) && subject.laid.kind === 'whole'
        ? one(knownRegionError(clip, subject.laid.clip, subject.laid.hole))
        : null,
  },
  {
    id: 'seam',
    name: 'seam',
    unit: 'levels',
    better: 'near truth',
    definition:
      'how much larger, 0..255, the steps between pixels are across the border of a hole than beside it; 0 is invisible',
    of: (clip, subject) => (hasBorder(subject) ? one(seam(clip, subject.laid.hole)) : null),
  },
  {
    id: 'colourDrift',
    name: 'colour drift',
    unit: 'levels',
    better: 'near truth',
    definition:
      'difference, 0..255, between the mean colours of a band inside and a band outside the border of a hole',
    of: (clip, subject) =>
      hasBorder(subject) ? one(holeColourDrift(clip, subject.laid.hole)) : null,
  },
  {
    id: 'depthCorrelation',
    name: 'depth correlation',
    unit: '',
    better: 'higher',
    definition:
      "for given depth: Spearman's rank correlation, over all pixels of a clip, of the given depth with the depth that the pipeline's depth model estimates from the result; that of the true clips shows how well the depth model does",
    of: ofGivenDepth(depthCorrelation),
  },
  {
    id: 'depthBeyondRows',
    name: 'depth beyond rows',
    unit: '',
    better: 'higher',
    definition:
      "the same beyond what a pixel's row explains (partial rank correlation), since the lower part of most pictures is nearer whatever they show",
    of: ofGivenDepth(depthBeyondRows),
  },
  {
    id: 'flicker',
    name: 'steadiness',
    unit: '',
    better: 'near truth',
    definition:
      "VBench's temporal flickering: 1 minus the mean absolute difference of consecutive frames divided by 255; motion counts as flicker",
    of: (clip) => one(temporalFlicker(clip)),
  },
  {
    id: 'changes',
    name: 'change from frame to frame, share of the truth’s',
    unit: '%',
    better: 'near truth',
    ratio: true,
    definition:
      'mean absolute difference of consecutive frames, divided by that of the true clips: above 100 the results flicker, or move more; below it they stand still, or blur',
    of: (clip, { trial: { truth } }) => {
      const [own, expected] = [temporalFlicker(clip), temporalFlicker(truth)];
      if (own === null || expected === null) return null;
      return { sum: 100 * (1 - own), count: 1 - expected };
    },
  },
  {
    id: 'smoothness',
    name: 'motion smoothness',
    unit: '',
    better: 'near truth',
    definition:
      "VBench's motion smoothness with optical flow in place of a network: 1 minus the mean absolute difference of every second frame from the interpolation of its neighbours, divided by 255",
    of: (clip) => one(motionSmoothnessByFlow(clip)),
  },
  {
    id: 'attributes',
    name: 'caption followed',
    unit: '%',
    better: 'higher',
    definition:
      "share of the colours, shapes and motions in the caption that the result shows, as recognised by MiniWorld's analyser",
    of: named(({ named, colours, shapes, motions }) => ({
      sum: colours + shapes + motions.right,
      count: 2 * named + motions.named,
    })),
  },
  {
    id: 'colours',
    name: 'colours right',
    unit: '%',
    better: 'higher',
    definition: 'share of the solids in the caption for which a solid of their colour is seen',
    of: named(({ named, colours }) => ({ sum: colours, count: named })),
  },
  {
    id: 'shapes',
    name: 'shapes right',
    unit: '%',
    better: 'higher',
    definition: 'share of the solids in the caption that are seen with their colour and shape',
    of: named(({ named, shapes }) => ({ sum: shapes, count: named })),
  },
  {
    id: 'newShapes',
    name: 'shapes right, new pairs',
    unit: '%',
    better: 'higher',
    definition: 'the same for pairs of colour and shape that training never saw',
    of: named(({ unseenPairs: { named, shapes } }) => ({ sum: shapes, count: named })),
  },
  {
    id: 'motions',
    name: 'motions right',
    unit: '%',
    better: 'higher',
    definition: 'share of the solids under a still camera that are seen to move as in the caption',
    of: named(({ motions: { named, right } }) => ({ sum: right, count: named }), 'clips'),
  },
  {
    id: 'shapesAtEnd',
    name: 'shapes kept to the last frame',
    unit: '%',
    better: 'higher',
    definition:
      "for clips of which frames are given: share of the solids that the true clip's last frame shows with their colour and shape and that the result's last frame shows so, too",
    of: (clip, subject) => {
      const { scene, truth } = subject.trial;
      if (!scene || clip.numFrames === 1 || !hasTruth(subject)) return null;
      const found = shapesAtEnd(clip, truth, scene.scene);
      return found && { sum: 100 * found.kept, count: found.count };
    },
  },
  {
    id: 'extra',
    name: 'unwanted solids',
    unit: '',
    better: 'lower',
    definition: 'number of solids seen beyond those in the caption, per picture or clip',
    of: (clip, subject) => {
      const counts = countsOf(clip, subject);
      return counts && { sum: counts.extra, count: 1 };
    },
  },
  {
    id: 'diversity',
    name: 'diversity',
    unit: 'levels',
    better: 'higher',
    definition:
      'root mean squared difference, 0..255, between results of the same trial from two seeds, mean over pairs of seeds; where one answer is right it should be small, where many are it should not be 0',
    of: ofRepeats(pixelDifference),
  },
  {
    id: 'featureDiversity',
    name: 'diversity of features',
    unit: '',
    better: 'higher',
    definition: 'the feature distance between results of the same trial from two seeds',
    of: ofRepeats((a, b, { network }) => (network ? featureDistance(network, a, b) : null)),
  },
  {
    id: 'alike',
    name: 'PSNR to the most steps',
    unit: 'dB',
    better: 'higher',
    definition:
      'PSNR of results with fewer sampling steps, taking those with the most steps as the truth',
    of: (clip, { fewerSteps }) =>
      fewerSteps?.clips.has(clip) ? one(clipPsnr(clip, fewerSteps.most)) : null,
  },
] as const satisfies readonly Figure[];

export type FigureId = (typeof FIGURES)[number]['id'];

export const figureOf = (id: FigureId): Figure => FIGURES.find((figure) => figure.id === id)!;

/** A figure in per cent of the things that captions name. */
function named(of: (counts: NameCount) => Tally, kind: 'clips' | 'all' = 'all'): Figure['of'] {
  return (clip, subject) => {
    if (kind === 'clips' && clip.numFrames === 1) return null;
    const counts = countsOf(clip, subject);
    if (!counts) return null;
    const { sum, count } = of(counts);
    return count > 0 ? { sum: 100 * sum, count } : null;
  };
}

/** Counts by clip, since several figures use them. */
const counted = new WeakMap<Frames, { trial: Trial; counts: NameCount }>();

function countsOf(clip: Frames, { task, trial }: Subject): NameCount | null {
  const { scene } = trial;
  if (!scene || task.prompt !== 'caption') return null;
  const known = counted.get(clip);
  if (known?.trial === trial) return known.counts;
  const seen = clip.numFrames === 1 ? findSolids(clip.data, clip) : trackSolids(clip.data, clip);
  const counts = countNamed(scene.scene, seen);
  // motion cannot be seen in a still picture
  if (clip.numFrames === 1) counts.motions = { named: 0, right: 0 };
  counted.set(clip, { trial, counts });
  return counts;
}
