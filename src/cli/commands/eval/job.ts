/** Runs an evaluation, from options to report, and shows its progress. */
import { join } from 'node:path';
import { throughAutoencoder } from '../../../eval/autoencoder.js';
import { filesMaker, PUBLISHED, writeConditions } from '../../../eval/benchmark.js';
import type { TaskReport } from '../../../eval/evaluate.js';
import { trainedTask } from '../../../eval/mixtures.js';
import {
  keep,
  kept,
  type Part,
  type RunOptions,
  runTask,
  storedTask,
  writeReport,
} from '../../../eval/report.js';
import type { Report, ReportSettings } from '../../../eval/report-format.js';
import { pipelineMaker } from '../../../eval/trials.js';
import { packageVersion } from '../../../files/package-root.js';
import { estimateDepth, openDepthModel } from '../../../models/depth-anything/index.js';
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
import { identityOf, pipelineName } from './identity.js';
import type { EvalOptions } from './options.js';
import { partsFor, tasksFor } from './parts.js';
import { reportLines } from './table.js';

/** @returns the exit code if it is not 0 */
export async function evaluate(options: EvalOptions): Promise<number | undefined> {
  const { results, benchmark, batchSize, verbose } = options;
  const folder = chosenPipeline(options.pipeline);
  const settings = readSettings(folder);
  const tasks = await tasksFor(options, settings.tasks);
  const made = results ?? folder;
  const identity = identityOf(made);
  const output = options.output ?? `runs/eval-${pipelineName(folder)}`;
  const opened = results === undefined ? await open(folder, options) : null;
  return withInterrupt('stopping; finished tasks are kept', async (signal) => {
    const startMs = performance.now();
    let progress: Progress | null = null;
    try {
      const { parts, notes, source } = await partsFor(tasks, options, settings, signal);
      const about = settingsOf(options, { source, made, identity, parts, opened });
      const work = new Work(parts, settings, (part) =>
        storedTask(output, part.task, part.trials.count, about),
      );
      progress = new Progress({ label: 'evaluating', total: 1, unit: '' });
      const tell = (note: string) => progress?.update(work.share(), note);
      const maker = opened ? opened.maker : filesMaker(results!);
      const estimateDepth = opened?.estimateDepth;
      const all = { folder: output, settings: about, batchSize, estimateDepth, signal };
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
        notes: [...untrained(tasks, settings), ...depthNotes(tasks, opened), ...notes],
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
    }
  });
}

interface Opened {
  pipeline: Pipeline;
  maker: ReturnType<typeof pipelineMaker>;
  /** null: the pipeline has no depth model */
  estimateDepth: DepthEstimator | null;
  close(): void;
}

async function open(
  folder: string,
  { dtype, seed, steps, guidance, ...options }: EvalOptions,
): Promise<Opened> {
  const device = await chosenDevice(options.device, dtype);
  const pipeline = openPipeline(folder, { dtype, device });
  const depthFolder = depthFolderOf(folder);
  const depthModel = depthFolder ? openDepthModel(depthFolder, { dtype, device }) : null;
  const estimator: DepthEstimator | null =
    depthModel && ((frames) => estimateDepth(depthModel, frames));
  const maker = pipelineMaker(pipeline, {
    seed,
    numInferenceSteps: steps,
    guidanceScale: guidance,
    estimateDepth: estimator,
  });
  const close = () => {
    pipeline.dispose();
    depthModel?.network.dispose();
  };
  return { pipeline, maker, estimateDepth: estimator, close };
}

function settingsOf(
  { seed, baselines, ...options }: EvalOptions,
  work: Pick<ReportSettings, 'source' | 'made' | 'identity'> & {
    parts: readonly Part[];
    opened: Opened | null;
  },
): ReportSettings {
  const { parts, opened, ...about } = work;
  const trials = Math.max(...parts.map((part) => part.trials.count));
  const [steps, guidance] = [options.steps ?? null, options.guidance ?? null];
  const { dtype = 'none', device = 'none' } = opened?.pipeline ?? {};
  return { ...about, trials, seed, steps, guidance, baselines, dtype, device };
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
  if (stored) return stored;
  const of = async (result: Task['result']) => {
    const own = parts.flatMap(({ task, trials }) => (task.result === result ? [trials] : []));
    const [trials] = own.sort((a, b) => b.count - a.count);
    if (!trials) return null;
    const { count } = trials;
    return { value: await throughAutoencoder(pipeline, trials, { signal, onShare }), count };
  };
  const found = { clips: await of('video'), images: await of('image') };
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
