/**
 * Makes the picture at the top of the README: held-out scenes of MiniWorld, each as a task is given it, as
 * models/mfm-mini makes it in the steps that it takes by itself, and as it is.
 *
 * node --import tsx scripts/readme-picture.ts
 */
import { layOut } from '../src/eval/baselines.js';
import { heldOutTrial, targetOf } from '../src/eval/scenes.js';
import { shownOf } from '../src/eval/strips.js';
import { pipelineMaker } from '../src/eval/trials.js';
import { fromRoot } from '../src/files/package-root.js';
import { contactSheet, type SheetRow } from '../src/media/index.js';
import { openPipeline } from '../src/pipeline/index.js';
import { type TaskId, taskOf } from '../src/tasks/index.js';

/** Scenes that show what a task does; not the best results of many, but neither the worst. */
const ROWS: readonly (readonly [TaskId, scene: number])[] = [
  ['t2v', 2],
  ['i2v', 5],
  ['vexd', 4],
  ['itrans', 4],
  ['vsr', 2],
  ['vcolor', 5],
  ['vinp', 6],
  ['voutp', 3],
  ['vedit', 0],
  ['d2v', 4],
  ['mtrans', 8],
];

const pipeline = openPipeline(fromRoot('models/mfm-mini'), { device: 'cpu' });
const { make } = pipelineMaker(pipeline, { seed: 7 });
const rows: SheetRow[] = [];
for (const [id, scene] of ROWS) {
  const task = taskOf(id);
  const trial = heldOutTrial(task, scene, targetOf(task, pipeline.settings));
  const [made] = await make(task, [trial], scene, {});
  const subject = { task, trial, laid: layOut(trial.given, trial.truth) };
  const given = shownOf(subject);
  const images = [...(given ? [given] : []), made!, ...(given ? [trial.truth] : [])];
  rows.push({ label: `${id}: ${trial.prompt}`, images });
}
const path = 'docs/images/tasks.png';
await contactSheet(rows, fromRoot(path), { scale: 1 });
console.log(path);
