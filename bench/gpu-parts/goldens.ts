/** Are values right? Against stored results, and against the CPU with the small pipeline. */
import { familiesOf } from '../../src/eval/verify/families.js';
import { fromRoot } from '../../src/files/package-root.js';
import { openPipeline } from '../../src/pipeline/index.js';
import { conditionOf, NOTHING, TASKS } from '../../src/tasks/index.js';
import type { DType } from '../../src/tensor/index.js';
import type { Context, Row } from './context.js';

/** Largest difference to the CPU in float32, of values of about -1..1, after four steps and decoding. */
const LIMITS: Partial<Record<DType, number>> = { float32: 0.01, bfloat16: 0.3 };

export async function* goldens({ device, goldens: folders }: Context): AsyncIterable<Row> {
  for (const folder of folders) {
    for (const { name, load } of familiesOf(folder)) {
      let [count, good, worst] = [0, 0, ''];
      for await (const row of (await load())(folder, device)) {
        count++;
        if (row.pass) good++;
        else
          worst ||= `${row.case} ${row.tensor}: ${row.error.toExponential(1)} of ${row.tolerance}`;
      }
      yield {
        what: `${name}, float32`,
        figure: `${good} of ${count} groups within tolerance${worst && `; ${worst}`}`,
        values: { count, good },
        passed: good === count,
      };
    }
  }
  const want = await sampled('cpu', 'float32');
  for (const dtype of ['float32', 'bfloat16'] as const) {
    const got = await sampled(device, dtype);
    const worst = got.reduce((most, value, i) => Math.max(most, Math.abs(value - want[i]!)), 0);
    const mean = got.reduce((sum, value, i) => sum + Math.abs(value - want[i]!), 0) / got.length;
    yield {
      what: `models/mfm-mini, t2v, 4 steps, ${dtype}`,
      figure: `differs from the CPU in float32 by ${mean.toExponential(1)}, at most ${worst.toExponential(1)}`,
      values: { dtype, mean, worst },
      passed: worst <= LIMITS[dtype]!,
    };
  }
}

async function sampled(device: string, dtype: DType): Promise<Float32Array> {
  const pipeline = openPipeline(fromRoot('models/mfm-mini'), { device, dtype });
  const target = { width: 64, height: 64, numFrames: 17 };
  const video = await pipeline.sample({
    task: TASKS.t2v,
    prompts: ['a small red cube moves left'],
    target,
    conditions: [conditionOf(NOTHING, target)],
    numInferenceSteps: 4,
    guidanceScale: 3,
    motionScore: 2,
    seed: 1,
  });
  const values = video.toFloat32Array();
  video.dispose();
  pipeline.dispose();
  return values;
}
