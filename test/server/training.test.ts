import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import { temporaryFolder } from '../temp-folder.js';
import { until } from '../until.js';
import { FEW, type Json, SLOW, serving } from './serving.js';

const data = temporaryFolder();
mkdirSync(join(data, 'dogs'));
writeFileSync(join(data, 'dogs', 'a.txt'), 'a dog');
const { client, restart } = serving({ data });

const JOBS = '/v1/fine_tuning/jobs';
/** So small that it takes seconds. */
const SMALL = {
  steps: 6,
  batch_size: 1,
  num_frames: 1,
  width: 32,
  height: 32,
  tasks: ['t2i'],
  validate_every: 3,
};
const LORA = { type: 'lora', lora: { rank: 2 } };

async function photos(count: number): Promise<Json[]> {
  const files: Json[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = await sharp('examples/media/gecko.jpg')
      .resize(64, 64)
      .rotate(90 * i)
      .modulate({ hue: 40 * i })
      .png()
      .toBuffer();
    const { status, body } = await client().upload(bytes, `${i}.png`);
    assert.equal(status, 200, JSON.stringify(body));
    files.push({ file_id: body.id, caption: `a gecko in colour ${i}` });
  }
  return files;
}

const untilIn = (id: string, ...states: string[]): Promise<Json> =>
  until(async () => {
    const { body } = await client().get(`${JOBS}/${id}`);
    if (states.includes(body.status)) return body;
    assert.ok(
      !['succeeded', 'failed', 'cancelled'].includes(body.status),
      `${body.status}: ${body.error?.message}`,
    );
    return null;
  }, SLOW);

describe('a fine-tuning job', () => {
  test('trains a LoRA, which is then used; it is a run with metrics', async () => {
    const { status, body: job } = await client().post(JOBS, {
      training_files: await photos(8),
      name: 'gecko',
      method: LORA,
      hyperparameters: SMALL,
    });
    assert.equal(status, 200, JSON.stringify(job));
    assert.deepEqual(
      [job.object, job.status, job.model, job.training_files],
      ['fine_tuning.job', 'queued', 'mfm-mini', 8],
    );
    const events = await client().events(`${JOBS}/${job.id}/events?stream=true`);
    assert.equal(events.at(-1)!.data.status, 'succeeded', JSON.stringify(events.at(-1)));
    const done = await untilIn(job.id, 'succeeded');
    assert.deepEqual([done.fine_tuned_model, done.progress, done.step], [job.id, 100, 6]);
    const listed = await client().get(`${JOBS}/${job.id}/events?limit=1000`);
    assert.ok(
      listed.body.data.some(({ type, data: { loss } }: Json) => type === 'metrics' && loss > 0),
    );
    const checkpoints = await client().get(`${JOBS}/${job.id}/checkpoints`);
    assert.equal(checkpoints.body.data[0].step_number, 6);

    const { body: runs } = await client().get('/v1/runs');
    const run = runs.data.find(({ name }: Json) => name === done.run);
    assert.deepEqual(
      [run.state, run.fine_tuning_job, run.part],
      ['finished', job.id, 'transformer'],
    );
    const whole = (await client().get(`/v1/runs/${done.run}`)).body;
    assert.equal(whole.recipe.transformer.lora.rank, 2);
    for (const sample of whole.samples) {
      assert.equal((await client().bytes(`/v1/runs/${done.run}/samples/${sample}`)).status, 200);
    }
    const metrics = (await client().get(`/v1/runs/${done.run}/metrics?figures=loss`)).body;
    const { figures } = metrics.parts.find(({ part }: Json) => part === 'transformer');
    assert.equal(figures.loss.kind, 'loss');
    assert.ok(figures.loss.points.every(([step, , , value]: number[]) => step! > 0 && value! > 0));
    assert.deepEqual(
      Object.keys(figures).filter((name) => !name.startsWith('loss')),
      [],
    );

    const picture = { task: 't2i', prompt: 'a gecko', ...FEW };
    const { body: made } = await client().post('/v1/videos', {
      ...picture,
      lora: { id: job.id, scale: 1 },
    });
    await client().until(made.id, 'completed');
    const { body: settings } = await client().get(`/v1/videos/${made.id}/content?variant=settings`);
    assert.equal(settings.loras.length, 1);

    assert.ok((await client().remove(`${JOBS}/${job.id}`)).body.deleted);
    assert.equal((await client().get(`/v1/runs/${done.run}`)).status, 404);
  });

  test('is paused with a checkpoint, outlives a restart, is resumed and cancelled', async () => {
    const { status, body: job } = await client().post(JOBS, {
      training_files: await photos(8),
      method: LORA,
      hyperparameters: { ...SMALL, steps: 100_000, validate_every: 100_000, sample_every: 100_000 },
      recipe: { transformer: { logEverySteps: 1 } },
    });
    assert.equal(status, 200, JSON.stringify(job));
    // a second one waits for the first
    const { body: other } = await client().post(JOBS, {
      recipe: { data: [{ miniworld: { clips: 0, images: 50 } }] },
      method: LORA,
      hyperparameters: SMALL,
    });
    await client().events('/v1/events', {
      last: ({ name, data }) =>
        name === 'fine_tuning' && data.job.id === job.id && data.job.step > 2,
    });
    assert.equal((await client().get(`${JOBS}/${other.id}`)).body.status, 'queued');
    assert.equal((await client().post(`${JOBS}/${other.id}/cancel`)).body.status, 'cancelled');
    const { body: paused } = await client().post(`${JOBS}/${job.id}/pause`);
    assert.equal(paused.status, 'paused');
    const { body: checkpoints } = await client().get(`${JOBS}/${job.id}/checkpoints`);
    const { step_number: step } = checkpoints.data[0];
    assert.ok(step >= 2);
    await restart();
    assert.equal((await client().get(`${JOBS}/${job.id}`)).body.status, 'paused');
    await client().post(`${JOBS}/${job.id}/resume`);
    await client().events('/v1/events', {
      last: ({ name, data }) =>
        name === 'fine_tuning' && data.job.id === job.id && data.job.step > step,
    });
    const { body: cancelled } = await client().post(`${JOBS}/${job.id}/cancel`);
    assert.equal(cancelled.status, 'cancelled');
    const late = await client().post(`${JOBS}/${job.id}/resume`);
    assert.deepEqual([late.status, late.body.error.code], [409, 'wrong_state']);
    const lora = await client().post('/v1/videos', {
      task: 't2i',
      prompt: 'x',
      lora: { id: job.id },
    });
    assert.deepEqual([lora.status, lora.body.error.param], [409, 'lora']);
    assert.equal(lora.body.error.hint, 'name another');
  });

  test('that fails says why without places on the server', async () => {
    const { body: job } = await client().post(JOBS, {
      training_files: await photos(1),
      method: LORA,
      hyperparameters: { ...SMALL, tasks: ['t2v'] },
    });
    const { error } = await untilIn(job.id, 'failed');
    assert.match(error.message, /none of 1 samples of your files qualifies \(.*\); leave/);
  });

  test('that cannot be trained is refused at once', async () => {
    const [file] = await photos(1);
    const lines = `${JSON.stringify({ image: file!.file_id })}\nnull\n`;
    const { body: rows } = await client().upload(Buffer.from(lines), 'rows.jsonl');
    for (const [body, message] of [
      [{}, /^training_files: is missing/],
      [
        { training_files: [file], training_folder: 'dogs' },
        /training_folder: training_files names the data already/,
      ],
      [
        { training_files: [file], name: 'dog', suffix: 'cat' },
        /^suffix: name says it, too; leave one of them out$/,
      ],
      [{ training_files: [file], name: 'my dog' }, /^name: must begin with a letter or digit and/],
      [{ training_folder: '../..' }, /there is no "\.\.\/\.\."/],
      [{ training_folder: 'cats' }, /there is no "cats"/],
      [{ training_folder: 'dogs/a.txt' }, /there is no "dogs\/a\.txt"/],
      [{ training_file: 'file_000000000000000000000000' }, /training_file: there is no file/],
      [{ training_file: file!.file_id }, /training_file: 0\.png is no text; name a manifest/],
      [{ training_file: rows.id }, /line 2 of rows\.jsonl is no object; write \{ "image"/],
      [{ training_files: [{ file_id: 'file_000000000000000000000000' }] }, /there is no file/],
      [
        { training_files: [file], recipe: { base: '/etc' } },
        /recipe\.base: paths are not accepted/,
      ],
      [
        { training_files: [file], recipe: { data: [{ manifest: '/etc' }] } },
        /recipe\.data\.0\.manifest: paths are not accepted/,
      ],
      [
        { training_files: [file], recipe: { transformer: { stepz: 1 } } },
        /transformer\.stepz: unknown key; did you mean "steps"/,
      ],
      [
        { training_files: [file], hyperparameters: { num_frames: 6 } },
        /^hyperparameters\.num_frames: must be 4k \+ 1 .*, got 6$/,
      ],
      [
        { training_files: [file], method: { type: 'lora', lora: { rank: 1024 } } },
        /^method\.lora\.rank: must be at most/,
      ],
      [
        {
          training_files: [file],
          hyperparameters: { num_frames: 5 },
          recipe: { transformer: { numFrames: 6 } },
        },
        /^recipe\.transformer\.numFrames: must be 4k/,
      ],
      [
        { training_files: [file], recipe: { transformer: { lora: null } } },
        /^recipe: does not make a LoRA, .* name the method "full"$/,
      ],
      [
        {
          training_files: [file],
          method: { type: 'full' },
          recipe: { transformer: { lora: { rank: 4 } } },
        },
        /^recipe: does not make a pipeline, .* name the method "lora"$/,
      ],
      [
        { training_files: [file], recipe: { transformer: null, depthModel: { steps: 1 } } },
        /^recipe: leaves out the transformer/,
      ],
      [
        { training_files: [file], recipe: { transformer: 5 } },
        /^recipe\.transformer: must be an object/,
      ],
      [{ training_files: [file], model: 'other' }, /there is no "other"/],
    ] as [Json, RegExp][]) {
      const answer = await client().post(JOBS, body);
      assert.ok(answer.status === 400 || answer.status === 404, JSON.stringify(answer.body));
      assert.match(answer.body.error.message, message);
    }
    assert.deepEqual((await client().get('/v1/data')).body.data, [{ name: 'dogs', files: 1 }]);
  });
});
