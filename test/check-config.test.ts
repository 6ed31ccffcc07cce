import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { z } from 'zod';
import { checkConfig, count } from '../src/check-config.js';

const Schema = z.strictObject({
  count: count(5),
  share: z.number().min(0).lt(1),
  kind: z.enum(['x', 'y']),
  sizes: z.array(z.int()).min(1).max(2),
  name: z.string().min(1).max(3).regex(/^a|l/),
  flag: z.boolean(),
  side: z.number().multipleOf(4),
  either: z.union([z.string(), z.boolean()]),
  weights: z.record(z.string(), z.int()),
  own: z.int().max(5, 'must fit the model'),
});

const GOOD = {
  count: 1,
  share: 0,
  kind: 'x',
  sizes: [1],
  name: 'a',
  flag: true,
  side: 4,
  either: 'a',
  weights: { a: 1 },
  own: 1,
};

describe('checkConfig', () => {
  test('says what a value must be and what it is', () => {
    assert.deepEqual(checkConfig(Schema, GOOD, 'x.json'), GOOD);
    for (const [change, message] of [
      [{ count: 9 }, 'count: must be at most 5, got 9'],
      [{ count: 0 }, 'count: must be above 0, got 0'],
      [{ count: 1.5 }, 'count: must be a whole number, got 1.5'],
      [{ count: undefined }, 'count: is missing, must be a number'],
      [{ share: 1 }, 'share: must be below 1, got 1'],
      [{ share: -1 }, 'share: must be at least 0, got -1'],
      [{ share: Number.NaN }, 'share: must be a number, got NaN'],
      [{ kind: 'z' }, 'kind: must be one of x, y, got "z"'],
      [{ sizes: [] }, 'sizes: must be a list of at least 1 item, got []'],
      [{ sizes: { a: 1 } }, 'sizes: must be a list, got {"a":1}'],
      [{ name: 'long' }, 'name: must be text of at most 3 characters, got "long"'],
      [{ name: 'b' }, 'name: must be text that matches /^a|l/, got "b"'],
      [{ name: 5 }, 'name: must be text, got 5'],
      [{ flag: 'a'.repeat(100) }, `flag: must be true or false, got "${'a'.repeat(59)}…`],
      [{ side: 3 }, 'side: must be a multiple of 4, got 3'],
      [{ either: 3 }, 'either: must be text or true or false, got 3'],
      [{ weights: { a: null } }, 'weights.a: must be a number, got null'],
      [{ own: 6 }, 'own: must fit the model'],
      [{ other: 6 }, 'unknown key other'],
      [{ count: 9, own: 6 }, 'count: must be at most 5, got 9; own: must fit the model'],
    ] as const) {
      assert.throws(() => checkConfig(Schema, { ...GOOD, ...change }, 'x.json'), {
        name: 'InputError',
        message: `x.json: ${message}`,
      });
    }
  });
});
