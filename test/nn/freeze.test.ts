import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { InputError } from '../../src/errors.js';
import { trainableNames } from '../../src/nn/index.js';

const NAMES = [
  'transformer.cond_conv.conv_in.weight',
  ...[0, 1, 10].flatMap((i) =>
    ['attn1.q_proj.weight', 'attn2.q_proj.weight', 'ff.fc1.bias'].map(
      (name) => `transformer.transformer_blocks.${i}.${name}`,
    ),
  ),
  'text_encoder.shared.weight',
  'text_encoder.encoder.final_layer_norm.weight',
];

const chosen = (trainable: Parameters<typeof trainableNames>[1]) => [
  ...trainableNames(NAMES, trainable),
];
const refuses = (trainable: Parameters<typeof trainableNames>[1], message: RegExp) =>
  assert.throws(() => chosen(trainable), { name: InputError.name, message });

describe('trainableNames', () => {
  test('without patterns everything is trained', () => {
    assert.deepEqual(chosen({}), NAMES);
  });

  test('train names what is trained; * goes over dots, ? is one letter', () => {
    assert.deepEqual(chosen({ train: ['transformer.transformer_blocks.*.attn1.*'] }), [
      'transformer.transformer_blocks.0.attn1.q_proj.weight',
      'transformer.transformer_blocks.1.attn1.q_proj.weight',
      'transformer.transformer_blocks.10.attn1.q_proj.weight',
    ]);
    assert.equal(chosen({ train: ['*.transformer_blocks.?.*'] }).length, 6);
    assert.deepEqual(chosen({ train: ['text_encoder.shared.weight'] }).length, 1);
  });

  test('freeze is taken from them', () => {
    assert.ok(
      chosen({ freeze: ['text_encoder.*'] }).every((name) => name.startsWith('transformer.')),
      'no text encoder',
    );
    const both = { train: ['transformer.*'], freeze: ['*.attn?.*', 'text_encoder.*'] };
    assert.deepEqual(chosen(both), [
      'transformer.cond_conv.conv_in.weight',
      'transformer.transformer_blocks.0.ff.fc1.bias',
      'transformer.transformer_blocks.1.ff.fc1.bias',
      'transformer.transformer_blocks.10.ff.fc1.bias',
    ]);
  });

  test('letters that mean something in regular expressions mean themselves', () => {
    refuses({ train: ['transformer_cond_conv.conv_in.weight'] }, /matches no parameter/);
    refuses({ train: ['transformer.cond.conv.conv.in.*'] }, /matches no parameter/);
  });

  test('a pattern that fits nothing is named, with names that there are', () => {
    refuses(
      { train: ['transformer.*', 'transformer_blocks.*.attn1.*'] },
      /^train: "transformer_blocks\.\*\.attn1\.\*" matches no parameter; .*transformer\.transformer_blocks\.\*\.attn1\.q_proj\.weight/,
    );
    refuses(
      { freeze: ['vae.*'] },
      /^freeze: "vae\.\*" matches no parameter; there are transformer\./,
    );
  });

  test('nothing left to train is refused', () => {
    refuses({ freeze: ['*'] }, /^freeze: "\*" leaves nothing to train; freeze less/);
    refuses({ train: ['text_encoder.*'], freeze: ['text_encoder.*'] }, /leaves nothing to train/);
  });
});
