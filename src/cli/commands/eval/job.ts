/** Runs an evaluation, from options to report, and shows its progress. */
import { join } from 'node:path';
import { throughAutoencoder } from '../../../eval/autoencoder.js';
import { filesMaker, PUBLISHED, writeConditions } from '../../../eval/benchmark.js';
import type { StepCount, TaskReport } from '../../../eval/evaluate.js';
import { trainedTask } from '../../../eval/mixtures.js';
import {
  keep,
  kept,
  type Part,
  type RunOptions,
  reportSettings,
  runTask,
  storedTask,
  writeReport,
} from '../../../eval/report.js';
import { isReportFolder } from '../../../eval/report-folder.js';
import type { Report, ReportSettings } from '../../../eval/report-format.js';
import { type Maker, pipelineMaker } from '../../../eval/trials.js';
import { expectFolderPlace, SourceFiles } from '../../../files/output-place.js';
import { packageVersion } from '../../../files/package-root.js';
import { estimateDepth, openDepthModel } from '../../../models/depth-anything/index.js';
import type { EfficientNetFeatures } from '../../../models/efficientnet/index.js';
import {
  depthFolderOf,
  latentFrames,
  openPipeline,
  type Pipeline,
  type PipelineSettings,
  readSettings,
} from '../../../pipeline/index.js';
import type { DepthEstimator, Task } from '../../../tasks/index.js';
import { engineInfo } from '../../../tensor/index.js';
import { chosenPipeline } from '../../options/chosen-pipeline.js';
import { chosenDevice } from '../../options/device.js';
import { INTERRUPTED, withInterrupt } from '../../terminal/interrupt.js';
import { Progress } from '../../terminal/progress.js';
import { featureNetwork, NO_NETWORK } from './feature-network.js';
import { expectFolder, identityOf, pipelineName } from './identity.js';
import type { EvalOptions } from './options.js';
import { partsFor, taskFiles, tasksFor } from './parts.js';
import { stepCounts } from './step-counts.js';
import { reportLines } from './table.js';

/** @returns the exit code if it is not 0 */
export async function evaluate(options: EvalOptions): Promise<number | undefined> {
  const { results, benchmark, batchSize, verbose } = options;
  const folder = chosenPipeline(options.pipeline);
  const settings = { ...readSettings(folder), ...options.size };
  const tasks = await tasksFor(options, settings.tasks);
  const made = results ?? folder;
  expectFolder(made);
  const output = options.output ?? `runs/eval-${pipelineName(folder)}`;
  expectReportPlace(output, options);
  const steps = stepCounts(options.steps);
  const opened = results === undefined ? await open(folder, options, steps) : null;
  const network = featureNetwork(options.perceptual, opened?.pipeline.device ?? 'cpu');
  return withInterrupt('stopping; finished tasks are kept', async (signal) => {
    const startMs = performance.now();
    let progress: Progress | null = null;
    try {
      const { parts, notes, source, items } = await partsFor(tasks, options, settings, signal);
      const identity = identityOf({
        made,
        files: [...taskFiles(options.tasks), ...(network ? [network.path] : [])],
        items,
        versions: versions(),
      });
      const about = settingsOf(options, {
        source,
        made,
        identity,
        parts,
        settings,
        opened,
        network,
      });
      const replaced = reportSettings(output);
      if (replaced !== null && JSON.stringify(replaced) !== JSON.stringify(about)) {
        process.stderr.write(
          `${output}: a report made with other settings, data or versions is replaced\n`,
        );
      }
      const work = new Work(parts, settings, (part) =>
        storedTask(output, part.task, part.trials.count, about),
      );
      progress = new Progress({ label: 'evaluating', total: 1, unit: '' });
      const tell = (note: string) => progress?.update(work.share(), note);
      const maker = opened ? opened.maker : filesMaker(results!);
      const all = {
        folder: output,
        settings: about,
        batchSize,
        estimateDepth: opened?.estimateDepth,
        fewerSteps: opened?.fewerSteps,
        network,
        signal,
      };
      const reports: TaskReport[] = [];
      for (const part of parts) {
        const { task } = part;
        if (benchmark) {
          const onShare = () => tell(`${task.id}, conditions`);
          await writeConditions(join(output, 'conditions'), part, { onShare, signal });
        }
        const onDone = (_: Task, done: number) => {
          work.done(part, done);
          tell(task.id);
        };
        reports.push(await runTask(maker, part, { ...all, onDone }));
        onDone(task, part.trials.count);
      }
      const autoencoder =
        opened && (await losses(opened.pipeline, parts, all, () => tell('autoencoder')));
      const report = await writeReport(output, {
        settings: about,
        versions: versions(),
        machine: machine(),
        autoencoder,
        notes: [
          ...untrained(tasks, settings),
          ...depthNotes(tasks, opened),
          ...(network ? [] : [NO_NETWORK]),
          ...notes,
        ],
        tasks: reports,
        published: benchmark ? PUBLISHED : null,
      });
      progress.end(`done in ${Math.round((performance.now() - startMs) / 1000)} s`);
      process.stdout.write(`${reportLines(report, { verbose }).join('\n')}\n`);
      process.stdout.write(`${join(output, 'report.html')}\n`);
      return undefined;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress?.end();
      process.stderr.write(
        `${output}: stopped; run the same command again to continue with the remaining tasks\n`,
      );
      return INTERRUPTED;
    } finally {
      progress?.end();
      opened?.close();
      network?.dispose();
    }
  });
}

/** @throws InputError if the report would lie in what is read, or among other files */
function expectReportPlace(
  output: string,
  { manifest, clips, results }: Pick<EvalOptions, 'manifest' | 'clips' | 'results'>,
): void {
  const read = Object.entries({
    'the data set': manifest,
    'the clips': clips,
    'the results': results,
  });
  const given = read.flatMap(([what, path]) => (path === undefined ? [] : [{ path, what }]));
  new SourceFiles(given).expectOtherFolder(output);
  if (!isReportFolder(output)) expectFolderPlace(output);
}

interface Opened {
  pipeline: Pipeline;
  maker: Maker;
  /** makers with fewer sampling steps than that */
  fewerSteps: StepCount[];
  /** null: the pipeline has no depth model */
  estimateDepth: DepthEstimator | null;
  close(): void;
}

async function open(
  folder: string,
  { dtype, seed, guidance, ...options }: EvalOptions,
  { most, fewer }: ReturnType<typeof stepCounts>,
): Promise<Opened> {
  const device = await chosenDevice(options.device, dtype);
  const pipeline = openPipeline(folder, { dtype, device });
  const depthFolder = depthFolderOf(folder);
  const depthModel = depthFolder ? openDepthModel(depthFolder, { dtype, device }) : null;
  const estimator: DepthEstimator | null =
    depthModel && ((frames) => estimateDepth(depthModel, frames));
  const makerOf = (steps: number | null) =>
    pipelineMaker(pipeline, {
      seed,
      numInferenceSteps: steps ?? undefined,
      guidanceScale: guidance,
      estimateDepth: estimator,
    });
  const fewerSteps = fewer.map((steps) => ({ steps, maker: makerOf(steps), share: steps / most! }));
  const close = () => {
    pipeline.dispose();
    depthModel?.network.dispose();
  };
  return { pipeline, maker: makerOf(most), fewerSteps, estimateDepth: estimator, close };
}

function settingsOf(
  { seed, seeds, baselines, ...options }: EvalOptions,
  work: Pick<ReportSettings, 'source' | 'made' | 'identity'> & {
    parts: readonly Part[];
    settings: PipelineSettings;
    opened: Opened | null;
    network: EfficientNetFeatures | null;
  },
): ReportSettings {
  const { parts, settings, opened, network, ...about } = work;
  const { most, fewer } = stepCounts(options.steps);
  const { dtype = 'none', device = 'none' } = opened?.pipeline ?? {};
  return {
    ...about,
    trials: Math.max(...parts.map((part) => part.trials.count)),
    size: { width: settings.width, height: settings.height },
    seed,
    steps: most,
    fewerSteps: fewer,
    guidance: options.guidance ?? null,
    baselines,
    repeats: seeds,
    network: network?.path ?? null,
    dtype,
    device,
  };
}

/** Progress over all parts; clips count by their latent frames, and stored results not at all. */
class Work {
  private readonly weights = new Map<Part, number>();
  private readonly finished = new Map<Part, number>();

  constructor(
    parts: readonly Part[],
    { numFrames }: PipelineSettings,
    stored: (part: Part) => TaskReport | null,
  ) {
    for (const part of parts) {
      if (stored(part)) continue;
      this.weights.set(part, part.task.result === 'image' ? 1 : latentFrames(numFrames));
    }
  }

  done(part: Part, trials: number): void {
    this.finished.set(part, trials);
  }

  /** share of the work that is done, 0..1 */
  share(): number {
    let [done, all] = [0, 0];
    for (const [part, weight] of this.weights) {
      done += weight * (this.finished.get(part) ?? 0);
      all += weight * part.trials.count;
    }
    return all > 0 ? done / all : 1;
  }
}

/** The autoencoder's loss on clips and on images, each measured on the part with the most trials. */
async function losses(
  pipeline: Pipeline,
  parts: readonly Part[],
  { folder, settings, signal }: Pick<RunOptions, 'folder' | 'settings' | 'signal'>,
  onShare: () => void,
): Promise<Report['autoencoder']> {
  const stored = kept<Report['autoencoder']>(folder, 'autoencoder', settings);
  const of = async (result: Task['result']) => {
    const own = parts.flatMap(({ task, trials }) => (task.result === result ? [trials] : []));
    const [trials] = own.sort((a, b) => b.count - a.count);
    if (!trials) return null;
    return throughAutoencoder(pipeline, trials, { signal, onShare });
  };
  // an earlier run may have had no task of one kind
  const found = {
    clips: stored?.clips ?? (await of('video')),
    images: stored?.images ?? (await of('image')),
  };
  await keep(folder, 'autoencoder', settings, found);
  return found;
}

function untrained(tasks: readonly Task[], { tasks: trained }: PipelineSettings): string[] {
  const others = tasks
    .filter((task) => trained && !trained.includes(trainedTask(task).id))
    .map(({ id }) => id);
  if (others.length === 0) return [];
  return [`The pipeline was not trained on ${others.join(', ')}.`];
}

/** Known frames with true depth are an advantage that use does not have. */
function depthNotes(tasks: readonly Task[], opened: Opened | null): string[] {
  if (!opened || opened.estimateDepth) return [];
  const known = tasks.filter(
    (task) => task.inputs.length > 0 && !task.needs.depth && opened.pipeline.depthRules(task).known,
  );
  if (known.length === 0) return [];
  return [
    `The pipeline has no depth model, so ${known.map(({ id }) => id).join(', ')} were given the samples' own depth of known frames.`,
  ];
}

function versions(): Report['versions'] {
  return { mfm: packageVersion, libtorch: engineInfo().libtorch, node: process.version };
}

function machine(): string {
  const { libtorch, matrixUnits, threads } = engineInfo();
  return `LibTorch ${libtorch}, ${matrixUnits}, ${threads} threads`;
}
