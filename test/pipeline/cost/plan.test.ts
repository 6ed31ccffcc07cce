import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Calibration } from '../../../src/pipeline/cost/calibrate.js';
import { type Plan, planOf, whatFits } from '../../../src/pipeline/cost/plan.js';
import { type WorkRequest, workOf } from '../../../src/pipeline/cost/work.js';
import { presetShape } from '../../../src/pipeline/shape.js';

const shape = presetShape('mfm-2b');
/** A machine on which everything takes a round time. */
const calibration: Calibration = {
  textLayerSeconds: 0.1,
  tokenSeconds: 1e-4,
  scoreSeconds: 1e-8,
  adapterPixelSeconds: 1e-7,
  adapterPixelBytes: 100,
  decodedPixelSeconds: 1e-6,
  decodedPixelBytes: 2000,
};
const request: WorkRequest = {
  target: { width: 640, height: 352, numFrames: 17 },
  numInferenceSteps: 30,
  guidanceScale: 9,
  promptLength: 77,
};
const options = { dtype: 'bfloat16', oneAtATime: true, residentBytes: 3e8 } as const;
const plan = (changes: Partial<WorkRequest> = {}, others: Partial<typeof options> = {}): Plan =>
  planOf(shape, workOf(shape, { ...request, ...changes }), calibration, { ...options, ...others });
const phase = ({ phases }: Plan, name: string) => phases.find((one) => one.phase === name)!;

describe('the plan of a result', () => {
  test('counts parameters and tokens of the released size', () => {
    assert.ok(Math.abs(shape.parts.transformer.parameters / 2.03e9 - 1) < 0.01);
    assert.ok(Math.abs(shape.parts.text_encoder.parameters / 1.2235e9 - 1) < 0.01);
    const { work, stepFlops } = plan();
    assert.deepEqual([work.rows, work.tokens, work.latentFrames], [2, 4400, 5]);
    assert.ok(Math.abs(stepFlops / 30.1e12 - 1) < 0.02);
  });

  test('adds up blocks, tokens and scores of every step', () => {
    const block = 2 * 4400 * 1e-4 + 2 * 4400 * 4400 * 1e-8;
    assert.ok(Math.abs(phase(plan(), 'steps').seconds - 30 * 28 * block) < 1e-6);
    // without guidance a step has half the rows
    const plain = plan({ guidanceScale: 1 });
    assert.ok(Math.abs(phase(plain, 'steps').seconds - 15 * 28 * block) < 1e-6);
    const some = plan({ guidedSteps: 10 });
    assert.ok(Math.abs(phase(some, 'steps').seconds - 20 * 28 * block) < 1e-6);
  });

  test('has one network in memory at a time, or all', () => {
    const [one, all] = [plan(), plan({}, { oneAtATime: false } as object)];
    assert.ok(one.peakBytes < 6e9 && one.peakBytes > 4.06e9);
    assert.ok(all.peakBytes > one.peakBytes + 2e9);
  });

  test('memory of the steps grows in line with the tokens', () => {
    const bytes = [17, 33, 65, 129].map(
      (numFrames) => phase(plan({ target: { width: 640, height: 352, numFrames } }), 'steps').bytes,
    );
    const perFrame = bytes.slice(1).map((now, i) => (now - bytes[i]!) / (16 * 2 ** i));
    for (const slope of perFrame) assert.ok(Math.abs(slope / perFrame[0]! - 1) < 1e-9);
  });

  test('counts the tiles of a step, what they are given, and the decoding of the whole', () => {
    const target = { width: 1280, height: 704, numFrames: 17 };
    const tiles = { width: 640, height: 352, samples: 2, perStep: 6, kept: 24 };
    const [tiled, one] = [plan({ target, tiles }), plan()];
    const seconds = (of: Plan, name: string) => phase(of, name).seconds;
    const near = (a: number, b: number) => assert.ok(Math.abs(a / b - 1) < 1e-9, `${a} for ${b}`);
    near(seconds(tiled, 'steps'), 6 * seconds(one, 'steps'));
    near(seconds(tiled, 'condition'), 24 * seconds(one, 'condition'));
    near(tiled.stepSeconds, 6 * one.stepSeconds);
    assert.deepEqual(phase(tiled, 'frames'), phase(plan({ target }), 'frames'));
    const more = plan({ target, tiles: { ...tiles, kept: 48 } });
    // both rows of 24 tiles more, in bfloat16
    const width = 28 * 64;
    assert.equal(
      phase(more, 'steps').bytes - phase(tiled, 'steps').bytes,
      24 * 2 * 4400 * width * 2,
    );
  });

  test('names what would fit where the asked does not', () => {
    const large = plan({ target: { width: 1280, height: 720, numFrames: 97 } });
    const replan = ({ target = large.work.target }) => plan({ target });
    const fits = whatFits(large, 12e9, replan);
    assert.equal(fits.length, 2);
    const frames = fits[0]!.numFrames!;
    const fitting = { width: 1280, height: 720, numFrames: frames };
    assert.ok(plan({ target: fitting }).peakBytes <= 12e9);
    assert.ok(plan({ target: { ...fitting, numFrames: frames + 4 } }).peakBytes > 12e9);
    const smaller = { ...fits[1]!.size!, numFrames: 97 };
    assert.ok(plan({ target: smaller }).peakBytes <= 12e9);
    assert.deepEqual(whatFits(large, 1e9, replan), []);
  });
});
