import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import sharp from 'sharp';
import { saveTinyLora } from '../pipeline/tiny-lora.js';
import { FEW, type Json, MODEL, serving } from './serving.js';

const { root, client, server } = serving();

const PICTURE = { task: 't2i', prompt: 'a red cube', ...FEW };
const WEIGHTS = 'pytorch_lora_weights.safetensors';
const own = (name: string) => join(root, name);
const offered = (name: string) => join(server().folder, 'loras', name);
const listed = async () => (await client().get('/v1/loras')).body.data as Json[];

async function pixels(lora?: Json): Promise<string> {
  const { status, body } = await client().post('/v1/videos', { ...PICTURE, lora });
  assert.equal(status, 200, JSON.stringify(body));
  return pixelsOf(body.id);
}

async function pixelsOf(id: string): Promise<string> {
  await client().until(id, 'completed');
  const { bytes } = await client().bytes(`/v1/videos/${id}/content`);
  return (await sharp(bytes).raw().toBuffer()).toString('hex');
}

describe('a LoRA in the folder of the server', () => {
  before(() => {
    for (const [name, seed] of [
      ['one', 1],
      ['two', 2],
    ] as const) {
      saveTinyLora(own(name), { pipeline: MODEL, seed });
    }
    saveTinyLora(own('peft'), { pipeline: MODEL, seed: 1, layout: 'peft' });
  });

  test('is seen as soon as it is there, by the list and by jobs, and when it is replaced', async () => {
    assert.deepEqual(await listed(), []);
    const plain = await pixels();
    const unknown = await client().post('/v1/videos', { ...PICTURE, lora: { id: 'style' } });
    assert.deepEqual([unknown.status, unknown.body.error.param], [400, 'lora']);
    assert.match(unknown.body.error.message, /there is no "style" .* GET \/v1\/loras lists what/);

    copyFileSync(own(`one/${WEIGHTS}`), offered('style.safetensors'));
    const [found] = await listed();
    assert.deepEqual(
      [found!.id, found!.object, found!.name, found!.origin],
      ['style', 'lora', 'style', 'folder'],
    );
    const one = await pixels({ id: 'style' });
    assert.notEqual(one, plain);
    assert.equal(await pixels({ id: 'style', scale: 0 }), plain);

    copyFileSync(own(`two/${WEIGHTS}`), offered('.style'));
    renameSync(offered('.style'), offered('style.safetensors'));
    const two = await pixels({ id: 'style' });
    assert.notEqual(two, one);

    // an upload of the same bytes is the same LoRA
    const { body: upload } = await client().upload(
      readFileSync(own(`two/${WEIGHTS}`)),
      'b.safetensors',
    );
    assert.equal(await pixels({ id: upload.id }), two);
    assert.deepEqual((await listed()).map(({ origin }) => origin).sort(), ['folder', 'upload']);
    await client().remove(`/v1/files/${upload.id}`);
  });

  test('may be a folder, as other programs write it', async () => {
    mkdirSync(offered('other'));
    for (const name of readdirSync(own('peft')))
      copyFileSync(own(`peft/${name}`), offered(`other/${name}`));
    copyFileSync(own(`one/${WEIGHTS}`), offered('one.safetensors'));
    assert.ok((await listed()).some(({ id }) => id === 'other'));
    assert.equal(await pixels({ id: 'other' }), await pixels({ id: 'one' }));
  });

  test('is kept with a job that waits, whatever becomes of it', async () => {
    copyFileSync(own(`one/${WEIGHTS}`), offered('brief.safetensors'));
    const with1 = await pixels({ id: 'brief' });
    await client().post('/v1/queue/pause');
    const { body: job } = await client().post('/v1/videos', { ...PICTURE, lora: { id: 'brief' } });
    rmSync(offered('brief.safetensors'));
    assert.ok((await listed()).every(({ id }) => id !== 'brief'));
    await client().post('/v1/queue/resume');
    assert.equal(await pixelsOf(job.id), with1);
  });

  test('that is none is refused by its name', async () => {
    writeFileSync(offered('broken.safetensors'), 'nothing');
    mkdirSync(offered('empty'));
    mkdirSync(offered('half'));
    writeFileSync(offered(`half/${WEIGHTS}`), 'nothing');
    const none = ['broken', 'empty', 'half'];
    assert.ok((await listed()).every(({ id }) => !none.includes(id)));
    for (const id of [...none, '../server/loras/one', '..', '.', 'one.safetensors']) {
      const { status, body } = await client().post('/v1/videos', { ...PICTURE, lora: { id } });
      assert.equal(status, 400, id);
      assert.equal(body.error.param, 'lora');
      const begin = none.includes(id) ? `lora "${id}": ` : 'lora: there is no ';
      assert.ok(body.error.message.startsWith(begin), body.error.message);
      assert.ok(!body.error.message.includes(root));
    }
  });
});
