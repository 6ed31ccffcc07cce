import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { args } from '../../../../src/cli/commands/generate/options.js';
import {
  dtypeOf,
  filesOf,
  listsOf,
  sizeOf,
} from '../../../../src/cli/commands/generate/reference-options.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { InputError } from '../../../../src/errors.js';

const parse = (words: string) => parseArgs('mfm generate', args, words.split(' '));
const refuses = (make: () => unknown, message: RegExp) =>
  assert.throws(make, { name: InputError.name, message });

describe('options of the reference implementation', () => {
  test('its command line is read', () => {
    const options = parse(
      '--output_dir outputs --task t2v --crop_type keep_res --num_inference_steps 30 --guidance_scale 9 ' +
        '--motion_score 5 --num_samples 2 --upscale 4 --t2v_inputs a.txt b.txt --height 352 --width 640 ' +
        '--num_frames 97 --fps 24 --seed 3 --mixed_precision bf16 --pipeline_path P --depth_model D ' +
        '--negative_prompt n --added_prompt a --use_simple_name --use_t_schedule --ext .gif',
    );
    const { task, outputDir, cropType, steps, guidance, motionScore, samples } = options;
    assert.deepEqual(
      [task, outputDir, cropType, steps, guidance, motionScore, samples],
      ['t2v', 'outputs', 'keep_res', 30, 9, 5, 2],
    );
    const { upscale, frames, fps, seed, pipeline, depthModel, simpleName, useTSchedule } = options;
    assert.deepEqual(
      [upscale, frames, fps, seed, pipeline, depthModel, simpleName, useTSchedule],
      [4, 97, 24, 3, 'P', 'D', true, true],
    );
    assert.deepEqual(listsOf('t2v', options), ['a.txt', 'b.txt']);
    assert.deepEqual(sizeOf(options), { width: 640, height: 352 });
    assert.equal(dtypeOf(options.dtype, options.mixedPrecision), 'bfloat16');
    refuses(() => listsOf('i2v', options), /^--t2v-inputs: belongs to t2v, but the task is i2v;/);
  });

  test('a size is said once, and whole', () => {
    const size = { width: 64, height: 32 };
    assert.deepEqual(sizeOf({ size }), size);
    refuses(() => sizeOf({ height: 32 }), /^--height: needs --width too/);
    refuses(() => sizeOf({ width: 32 }, 'a:1: '), /^a:1: --width: needs --height too/);
    refuses(() => sizeOf({ size, ...size }), /^--width: the size is already given by --size/);
    refuses(() => sizeOf({ size, height: 32 }), /^--height: the size is already given by --size/);
  });

  test('mixed precision is a dtype, or refused', () => {
    assert.equal(dtypeOf('float32', undefined), 'float32');
    assert.equal(dtypeOf('auto', 'no'), 'float32');
    assert.equal(dtypeOf('bfloat16', 'bf16'), 'bfloat16');
    refuses(() => dtypeOf('auto', 'fp16'), /^--mixed-precision: fp16 .*; use bf16, or "no"/);
    refuses(() => dtypeOf('float32', 'bf16'), /--dtype says float32; leave one of them out/);
  });

  test('two inputs may be joined by a semicolon', () => {
    assert.deepEqual(filesOf('a.mp4;b.mp4'), ['a.mp4', 'b.mp4']);
    assert.deepEqual(filesOf('a.mp4'), ['a.mp4']);
  });
});
