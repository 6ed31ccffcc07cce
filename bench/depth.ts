/**
 * How good is a depth model? Its estimates of held-out MiniWorld scenes, and of real pictures and clips,
 * are measured beside two estimates that see no picture: inverse distance that rises linearly from the
 * top row to the bottom one (ramp), and the mean (constant). All are aligned with the truth in the same
 * way. Each figure stands with its standard error over pictures or clips; a clip counts once.
 *
 *     node --import tsx bench/depth.ts models/mfm-mini/depth_model
 *     node --import tsx bench/depth.ts FOLDER --scenes 20 --real real-depth --clips photos/clips --json depth.json
 *
 * `--real` names a folder as bench/depth/truth-folder.ts describes it. `--clips` names a folder of clips
 * without a truth, of which only the flicker along optical flow is measured.
 */
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defineArgs, type Options, parseArgs } from '../src/cli/terminal/args.js';
import { describeProblem } from '../src/cli/terminal/problem.js';
import { Progress } from '../src/cli/terminal/progress.js';
import { aligned } from '../src/cli/terminal/table.js';
import { FAR, miniWorld } from '../src/data/miniworld/index.js';
import { InputError } from '../src/errors.js';
import {
  type Frames,
  readMedia,
  resizeFrames,
  sniff,
  writeAtomically,
  writeImage,
} from '../src/media/index.js';
import {
  type DepthModel,
  estimateDepth,
  openDepthModel,
} from '../src/models/depth-anything/index.js';
import { tidy } from '../src/tensor/index.js';
import {
  ESTIMATES,
  type EstimateName,
  FIGURES,
  type FigureName,
  meanOf,
  type Scored,
  scoreAgainstTruth,
  scoreFlicker,
} from './depth/score.js';
import { depthStrip } from './depth/strip.js';
import { readTrueDepth, truthNames } from './depth/truth-folder.js';
import { machineLine, verdict } from './measure.js';

const args = defineArgs({
  positional: {
    folder: { kind: 'text', describe: "depth model's folder: config.json, model.safetensors, …" },
  },
  options: {
    scenes: {
      kind: 'integer',
      min: 0,
      default: 100,
      describe: 'held-out MiniWorld scenes of each size, as pictures and as clips',
    },
    real: { kind: 'text', placeholder: 'FOLDER', describe: 'pictures and clips with true depth' },
    clips: { kind: 'text', placeholder: 'FOLDER', describe: 'clips without a truth: flicker only' },
    frames: { kind: 'integer', min: 2, default: 33, describe: 'the most frames of such a clip' },
    device: { kind: 'text', default: 'cpu', describe: 'device that the model runs on' },
    strips: {
      kind: 'text',
      placeholder: 'FOLDER',
      describe: 'also write pictures, true depth and estimates side by side, as PNG',
    },
    json: { kind: 'text', placeholder: 'FILE', describe: 'also write all figures, item by item' },
  },
  help: 'bench/depth.ts',
});

/** Sides of the scenes in pixels, and the length of their clips. */
const SIDES = [64, 128];
const CLIP_FRAMES = 17;
/** Clips without a truth are reduced to this longer side: optical flow of large frames takes long. */
const FLOW_SIDE = 256;
/** The scenes of each size that `--strips` shows. */
const SHOWN_SCENES = 6;
/** The names of the sets that aims are given for. */
const PICTURES = `scenes of ${SIDES[0]} px`;
const REAL = 'real, all';
const AIMS = { absRel: 0.05, rank: 0.98 };

try {
  await run(parseArgs('depth', args, process.argv.slice(2)));
} catch (error) {
  const { message, exitCode } = describeProblem(error, process.env.DEBUG !== undefined);
  console.error(message);
  process.exitCode = exitCode;
}

async function run({ folder, device, json, strips, ...sets }: Options<typeof args>): Promise<void> {
  // everything that may be missing is looked for before any work
  const real = sets.real === undefined ? [] : truthNames(sets.real);
  const clips = sets.clips === undefined ? [] : await clipFiles(sets.clips);
  const model = openDepthModel(folder, { device });
  const estimate = estimator(model);
  const progress = new Progress({
    label: 'measuring depth',
    unit: 'items',
    total: 2 * SIDES.length * sets.scenes + real.length + clips.length,
  });
  const scored: Scored[] = [];
  let done = 0;
  const add = (...items: Scored[]) => {
    scored.push(...items);
    progress.update(++done);
  };
  const show = async (name: string, ...maps: Parameters<typeof depthStrip>) => {
    if (strips !== undefined) await writeImage(join(strips, `${name}.png`), depthStrip(...maps));
  };
  try {
    for (const side of SIDES) {
      for (let i = 0; i < sets.scenes; i++) {
        const scene = heldOut(i, { width: side, height: side, numFrames: 1 });
        const estimated = estimate(scene.frames);
        add(...pictureScores(i, scene, estimated));
        if (i < SHOWN_SCENES) {
          await show(`scene-${i}-${side}`, scene.frames, scene.truth, estimated);
        }
      }
      for (let i = 0; i < sets.scenes; i++) {
        const { frames, truth } = heldOut(i, { width: side, height: side, numFrames: CLIP_FRAMES });
        const scores = scoreAgainstTruth(estimate(frames), frames, truth);
        add({ set: `clips of ${side} px`, item: `scene ${i}`, scores });
      }
    }
    for (const name of real) {
      const { frames, truth } = await readTrueDepth(sets.real!, name);
      const estimated = estimate(frames);
      add({ set: REAL, item: name, scores: scoreAgainstTruth(estimated, frames, truth) });
      await show(name, frames, truth, estimated);
    }
    for (const path of clips) {
      const frames = reduced(await readMedia(path, { maxFrames: sets.frames }));
      add({ set: 'clips', item: path, scores: scoreFlicker(estimate(frames), frames) });
    }
  } finally {
    progress.end();
  }
  report(scored, model);
  if (json !== undefined) await writeJson(json, folder, scored);
}

type Estimator = (frames: Frames) => Float32Array;

/** Inverse depth of every frame, [F, H, W]. */
function estimator(model: DepthModel): Estimator {
  const isMetric = model.network.config.depth_estimation_type === 'metric';
  return (frames) => {
    const depth = tidy(() => estimateDepth(model, frames).toFloat32Array());
    return isMetric ? depth.map((distance) => 1 / Math.max(distance, 1e-3)) : depth;
  };
}

interface SceneDepth {
  frames: Frames;
  /** inverse distance, [F, H, W] */
  truth: Float32Array;
  /** the same without the sky, which has MiniWorld's largest distance: 0 there */
  nearer: Float32Array;
}

function heldOut(index: number, size: Omit<Frames, 'data'>): SceneDepth {
  const { frames: data, depth } = miniWorld(index, { ...size, split: 'heldout' });
  return {
    frames: { ...size, data },
    truth: depth.map((distance) => 1 / distance),
    nearer: depth.map((distance) => (distance < FAR ? 1 / distance : 0)),
  };
}

/** A picture counts in two sets, with the sky and without. */
function pictureScores(
  index: number,
  { frames, truth, nearer }: SceneDepth,
  estimate: Float32Array,
): Scored[] {
  const set = `scenes of ${frames.width} px`;
  const item = `scene ${index}`;
  return [
    { set, item, scores: scoreAgainstTruth(estimate, frames, truth) },
    { set: `${set}, no sky`, item, scores: scoreAgainstTruth(estimate, frames, nearer) },
  ];
}

async function clipFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    const kind = await sniff(path);
    if (kind === 'video' || kind === 'animation') files.push(path);
  }
  if (files.length > 0) return files;
  throw new InputError(`${folder}: holds no clips; put files such as NAME.mp4 in it`);
}

function reduced(frames: Frames): Frames {
  const scale = FLOW_SIDE / Math.max(frames.width, frames.height);
  if (scale >= 1) return frames;
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  return resizeFrames(frames, { width: side(frames.width), height: side(frames.height) });
}

function report(scored: readonly Scored[], { folder, network }: DepthModel): void {
  const millions = (network.parameterCount() / 1e6).toFixed(2);
  console.log(`${folder}: ${millions} M parameters; ${machineLine()}`);
  const names = Object.keys(FIGURES) as FigureName[];
  const rows = [['set', 'items', 'estimate', ...names.map((name) => FIGURES[name].label)]];
  for (const [set, items] of setsOf(scored)) {
    for (const estimate of ESTIMATES) {
      const cells = names.map((name) => cell(items, estimate, name));
      rows.push([set, String(items.length), estimate, ...cells]);
    }
  }
  console.log(aligned(rows).join('\n'));
  verdicts(scored);
}

/** The items by set; before those with a real truth, which differ much, each one of them. */
function setsOf(scored: readonly Scored[]): [set: string, items: Scored[]][] {
  const sets = new Map<string, Scored[]>();
  for (const one of scored) sets.set(one.set, [...(sets.get(one.set) ?? []), one]);
  return [...sets].flatMap(([set, items]): [string, Scored[]][] => {
    const each = set === REAL ? items : [];
    return [...each.map((one): [string, Scored[]] => [`real, ${one.item}`, [one]]), [set, items]];
  });
}

function cell(items: readonly Scored[], estimate: EstimateName, figure: FigureName): string {
  const value = meanOf(items, estimate, figure);
  if (!value) return '-';
  const { factor, digits } = FIGURES[figure];
  const text = (number: number) => (factor * number).toFixed(digits);
  return value.error === null ? text(value.mean) : `${text(value.mean)} ± ${text(value.error)}`;
}

function verdicts(scored: readonly Scored[]): void {
  const of = (set: string, estimate: EstimateName, figure: FigureName) => {
    const items = scored.filter((one) => one.set === set);
    return meanOf(items, estimate, figure)?.mean;
  };
  const absRel = of(PICTURES, 'model', 'absRel');
  if (absRel !== undefined) {
    const rank = of(PICTURES, 'model', 'rank') ?? 0;
    const text = `${PICTURES}: AbsRel ${(100 * absRel).toFixed(2)} %, rank correlation ${rank.toFixed(3)}`;
    verdict(text, absRel <= AIMS.absRel && rank >= AIMS.rank, 'at most 5 %, at least 0.98');
  }
  const real = of(REAL, 'model', 'absRel');
  if (real !== undefined) {
    const others = (['ramp', 'constant'] as const).map((name) => of(REAL, name, 'absRel')!);
    const text = `${REAL}: AbsRel ${(100 * real).toFixed(2)} %`;
    const least = Math.min(...others);
    verdict(text, real < least, `below ramp and constant, ${(100 * least).toFixed(2)} %`);
  }
}

async function writeJson(path: string, folder: string, scored: readonly Scored[]): Promise<void> {
  const means = setsOf(scored).flatMap(([set, items]) =>
    ESTIMATES.map((estimate) => ({
      set,
      estimate,
      items: items.length,
      figures: Object.fromEntries(
        Object.keys(FIGURES).map((name) => [name, meanOf(items, estimate, name as FigureName)]),
      ),
    })),
  );
  const text = `${JSON.stringify({ folder, means, items: scored }, null, 2)}\n`;
  await writeAtomically(path, async (file) => writeFile(file, text));
}
