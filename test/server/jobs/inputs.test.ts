import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  errorInFields,
  type InputParts,
  inFields,
  JobInputs,
} from '../../../src/server/jobs/inputs.js';
import { temporaryFolder } from '../../temp-folder.js';

test('what is removed between a request and its job is told as that', async () => {
  const root = temporaryFolder();
  const path = join(root, 'content.png');
  const files = { shelf: { get: () => ({ file: 'content.png' }) }, pathOf: () => path };
  const inputs = new JobInputs({ root, files } as unknown as InputParts, join(root, 'job'));
  const media = 'file_000000000000000000000000';
  const gone = (field: string) => ({
    status: 400,
    message: `${field}: has been removed; name another one`,
  });
  await assert.rejects(inputs.place(media, 'mask'), gone('mask'));
  await assert.rejects(
    inputs.placeLora({ path: join(root, 'style.safetensors'), changes: true }),
    gone('lora'),
  );
  writeFileSync(path, 'here');
  assert.equal(await inputs.place(media, 'mask'), 'job/inputs/2.png');
});

test('a LoRA that somebody writes into later stays as it was for a job', async () => {
  const root = temporaryFolder();
  const path = join(root, 'style.safetensors');
  writeFileSync(path, 'first');
  const inputs = new JobInputs({ root } as unknown as InputParts, join(root, 'job'));
  const placed = await inputs.placeLora({ path, changes: true });
  writeFileSync(path, 'second'); // the same file on disk, with other bytes
  assert.equal(readFileSync(join(root, placed), 'utf8'), 'first');
});

test('messages name inputs and results, not their places on disk', () => {
  const folder = 'jobs/video_0123456789abcdef01234567/inputs';
  assert.equal(inFields(`/srv/${folder}/1.png: is empty`), 'input 1: is empty');
  assert.equal(
    inFields(`${folder}/0.lora/adapter_model.safetensors: needs x beside it`),
    'the LoRA: needs x beside it',
  );
  assert.equal(
    inFields('/srv/jobs/video_0123456789abcdef01234567/result.mp4: 63x63 is an odd size'),
    'the result: 63x63 is an odd size',
  );
});

test('errors name LoRAs by their ids, and say in the remedy what they say in the sentence', () => {
  const folder = 'jobs/video_0123456789abcdef01234567/inputs';
  const loras = [
    { path: `${folder}/0.lora/a.safetensors`, scale: 1 },
    { path: `${folder}/1.lora`, scale: 1 },
  ];
  const request = { lora: loras.map((_, i) => ({ id: `style-${i}`, scale: 1 })) };
  const told = (message: string, hint: string | null, param: string | null = null) => {
    const body = {
      type: 'invalid_request_error' as const,
      code: 'ERR_INPUT',
      message,
      param,
      hint,
    };
    return errorInFields(body, { request, loras });
  };
  const broken = told(`/srv/${folder}/1.lora/adapter_model.safetensors: is broken`, null);
  assert.deepEqual([broken.message, broken.param], ['lora "style-1": is broken', 'lora']);
  const many = told(`takes one; leave out ${folder}/3.png`, `leave out ${folder}/3.png`, 'inputs');
  assert.deepEqual([many.param, many.hint], ['inputs', 'leave out input 3']);
});
