/**
 * What sampling shortcuts save and cost: first-block caching, guidance at high noise only,
 * second-order solvers with fewer steps. On held-out scenes, one at a time, compared with full
 * sampling from the same noise: time and PSNR.
 *
 *     node --import tsx bench/shortcuts.ts --scenes 8
 */
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { heldOutTrial, targetOf } from '../src/eval/scenes.js';
import { psnr } from '../src/media/pixels/psnr.js';
import { newestPipeline } from '../src/pipeline/find.js';
import { openPipeline, type SampleRequest } from '../src/pipeline/index.js';
import { conditionOf, type Task, taskOf } from '../src/tasks/index.js';
import type { Tensor } from '../src/tensor/index.js';
import { machineLine, median } from './measure.js';

const args = defineArgs({
  options: {
    pipeline: { kind: 'text', describe: 'folder (default: the newest in runs/ and models/)' },
    scenes: { kind: 'integer', min: 1, default: 8, describe: 'scenes per task' },
  },
});
const { scenes, ...options } = parseArgs('shortcuts', args, process.argv.slice(2));
const pipeline = openPipeline(options.pipeline ?? newestPipeline());

interface ShortCut {
  name: string;
  changes: Partial<SampleRequest>;
}
const shortCuts = (steps: number, guided: boolean): ShortCut[] => [
  { name: 'full', changes: {} },
  ...[0.05, 0.1, 0.15, 0.2, 0.3].map((cacheThreshold) => ({
    name: `--cache ${cacheThreshold}`,
    changes: { cacheThreshold },
  })),
  ...(guided ? [0.3, 0.6, 0.8] : []).map((until) => ({
    name: `--guidance-until ${until}`,
    changes: { guidanceRange: [1, until] as const },
  })),
  ...(['euler', 'dpm++', 'unipc'] as const).map((solver) => ({
    name: `--solver ${solver} --steps ${Math.round(steps / 2)}`,
    changes: { solver, numInferenceSteps: Math.round(steps / 2) },
  })),
];

console.log(machineLine());
for (const id of ['t2v', 'vsr']) await compare(taskOf(id));

async function compare(task: Task): Promise<void> {
  const settings = pipeline.settingsFor(task);
  const target = targetOf(task, pipeline.settings);
  const seconds = new Map<string, number[]>();
  const quality = new Map<string, number[]>();
  const reused = new Map<string, number>();
  for (let i = 0; i < scenes; i++) {
    const { scene, given } = heldOutTrial(task, i, target);
    let full: Tensor | null = null;
    for (const { name, changes } of shortCuts(
      settings.numInferenceSteps,
      settings.guidanceScale > 1,
    )) {
      const start = performance.now();
      const latents = await pipeline.denoise({
        task,
        target,
        seed: i,
        prompts: [scene.caption],
        ...settings,
        conditions: [conditionOf(given, target)],
        onStep: (_step, _total, state) => {
          if (state.reused) reused.set(name, (reused.get(name) ?? 0) + 1);
        },
        ...changes,
      });
      push(seconds, name, (performance.now() - start) / 1000);
      const video = await pipeline.decode(latents);
      full ??= video;
      push(quality, name, video === full ? Number.POSITIVE_INFINITY : psnr(video, full));
    }
  }
  console.log(
    `\n${task.id}, ${settings.numInferenceSteps} steps, guidance ${settings.guidanceScale}`,
  );
  console.log('| | steps saved | time | PSNR to full sampling, median and worst |');
  console.log('| --- | --- | --- | --- |');
  const whole = median(seconds.get('full')!);
  for (const [name, values] of quality) {
    const share = (100 * median(seconds.get(name)!)) / whole;
    const worst = Math.min(...values);
    const figure = Number.isFinite(worst)
      ? `${median(values).toFixed(1)} dB, ${worst.toFixed(1)} dB`
      : 'identical';
    const part = ((reused.get(name) ?? 0) / scenes).toFixed(1);
    console.log(`| \`${name}\` | ${part} | ${share.toFixed(0)}% | ${figure} |`);
  }
}

function push(into: Map<string, number[]>, name: string, value: number): void {
  into.set(name, [...(into.get(name) ?? []), value]);
}
