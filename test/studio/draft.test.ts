import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Task } from '../../studio/api/types.js';
import {
  type Draft,
  emptyDraft,
  type Media,
  masksOf,
  missing,
  requestOf,
  requestsOf,
} from '../../studio/logic/draft.js';
import { act, emptyMask, undo } from '../../studio/logic/mask.js';

const task = (more: Partial<Task>): Task =>
  ({
    id: 't2v',
    inputs: [],
    optional_inputs: [],
    placed: false,
    mask: 'none',
    prompt: 'optional',
    defaults: { num_frames: 17 },
    schema: { properties: { num_frames: { type: 'integer' }, seed: { type: 'integer' } } },
    ...more,
  }) as Task;

const media = (more: Partial<Media> = {}): Media => ({
  source: { file_id: 'file_1' },
  kind: 'image',
  name: 'a.png',
  url: 'a.png',
  thumbUrl: 'a.png',
  still: null,
  animation: false,
  sound: false,
  frameUrl: null,
  width: 8,
  height: 8,
  numFrames: 1,
  fps: 8,
  ...more,
});

const painted = act(emptyMask(8, 8, 1), { kind: 'flood', frame: 0, fill: true });
const draftOf = (of: Task, more: Partial<Draft>): Draft => ({ ...emptyDraft(of), ...more });

const mixture = task({ id: 'any', placed: true });

/** A part of a mixture that is kept as it is. */
const WHOLE = { longest: null, gray: false, keep: 1, mask: null, given: null };

describe('what is missing', () => {
  test('is said for each kind of input, in the order in which one gives them', () => {
    const fill = task({ inputs: ['image'], mask: 'hole' });
    assert.equal(missing(emptyDraft(fill), fill), 'Add a picture to begin.');
    const given = draftOf(fill, { inputs: [media()] });
    assert.equal(missing(given, fill), 'Paint over the part to fill.');
    assert.equal(missing({ ...given, mask: painted }, fill), null);
    const text = task({ prompt: 'required' });
    assert.equal(missing(emptyDraft(text), text), 'Say what the result should show.');
    const between = task({ inputs: ['video', 'video'] });
    assert.equal(
      missing(draftOf(between, { inputs: [media(), null] }), between),
      'Add a clip: the second one.',
    );
    assert.equal(missing(emptyDraft(mixture), mixture), 'Put a picture or clip on the time line.');
  });

  test('includes a number that cannot be sent', () => {
    const of = task({});
    assert.equal(
      missing(draftOf(of, { fields: { num_frames: 'x' } }), of),
      'Frames must be a number.',
    );
  });
});

describe('the request of a draft', () => {
  test('has only what was set', () => {
    const of = task({});
    assert.deepEqual(
      requestOf(draftOf(of, { prompt: ' a cube ', fields: { num_frames: '9' } }), of, new Map()),
      {
        task: 't2v',
        prompt: 'a cube',
        num_frames: 9,
      },
    );
  });

  test('names inputs, mask and margins', () => {
    const fill = task({ id: 'iinp', inputs: ['image'], mask: 'hole' });
    const draft = draftOf(fill, { inputs: [media()], mask: painted });
    assert.deepEqual(masksOf(draft, fill), [painted]);
    assert.deepEqual(requestOf(draft, fill, new Map([[painted, 'file_2']])), {
      task: 'iinp',
      inputs: [{ file_id: 'file_1' }],
      mask: { file_id: 'file_2' },
    });
    const extend = task({ id: 'ioutp', inputs: ['image'], mask: 'margins' });
    const margins = { left: 0.5, right: 0, top: 0, bottom: 1 };
    assert.equal(
      requestOf(draftOf(extend, { inputs: [media()], margins }), extend, new Map()).expand,
      'left=0.50,bottom=1.00',
    );
  });

  test('gives a clip for its depth, or as depth', () => {
    const shapes = task({ id: 'd2v', inputs: ['depth'], optional_inputs: ['image'] });
    const first = media({ source: { file_id: 'file_9' } });
    const draft = draftOf(shapes, { inputs: [media(), first] });
    const estimated = requestOf(draft, shapes, new Map());
    assert.deepEqual(
      [estimated.depth_from, estimated.inputs],
      [{ file_id: 'file_1' }, [{ file_id: 'file_9' }]],
    );
    const asDepth = requestOf({ ...draft, estimateDepth: false }, shapes, new Map());
    assert.deepEqual(
      [asDepth.depth_from, asDepth.inputs],
      [undefined, [{ file_id: 'file_1' }, { file_id: 'file_9' }]],
    );
  });

  test('places the parts of a mixture', () => {
    const part = { ...WHOLE, id: 'p', media: media() };
    const draft = draftOf(mixture, {
      parts: [
        { ...part, at: 0, length: 1 },
        { ...part, at: 8, length: 3, gray: true, keep: 0.7, mask: painted },
      ],
      depthParts: [{ ...part, at: 0, length: 17 }],
    });
    const request = requestOf(draft, mixture, new Map([[painted, 'file_2']]));
    assert.deepEqual(request.known, [
      { media: { file_id: 'file_1' }, at: 0 },
      {
        media: { file_id: 'file_1' },
        at: [8, 10],
        mask: { file_id: 'file_2' },
        gray: true,
        keep: 0.7,
      },
    ]);
    assert.deepEqual(request.depth, [{ media: { file_id: 'file_1' }, at: [0, 16] }]);
  });

  test('sends parts where the time line shows them after the clip became shorter', () => {
    const part = { ...WHOLE, media: media(), length: 1 };
    const draft = draftOf(mixture, {
      fields: { num_frames: '9' },
      parts: [
        { ...part, id: 'first', at: 0 },
        { ...part, id: 'last', at: 16 },
      ],
      depthParts: [{ ...part, id: 'depth', at: 0, length: 17 }],
    });
    const { known, depth } = requestOf(draft, mixture, new Map());
    const at = (list: unknown) => (list as { at: unknown }[]).map((one) => one.at);
    assert.deepEqual([at(known), at(depth)], [[0, 8], [[0, 8]]]);
  });

  test('names both ends of a part of a clip, however short it is', () => {
    const clip = media({ kind: 'video', numFrames: 9 });
    const part = {
      id: 'p',
      longest: 9,
      gray: false,
      keep: 1,
      mask: null,
      given: null,
      media: clip,
    };
    const draft = draftOf(mixture, { parts: [{ ...part, at: 3, length: 1 }] });
    const { known } = requestOf(draft, mixture, new Map());
    assert.deepEqual(known, [{ media: { file_id: 'file_1' }, at: [3, 3] }]);
  });

  test('paints a part of a clip for as many frames as the part has', () => {
    const clip = media({ kind: 'video', numFrames: 9 });
    const mask = { ...painted, numFrames: 9 };
    const draft = draftOf(mixture, {
      parts: [
        {
          id: 'p',
          longest: 9,
          gray: false,
          keep: 1,
          mask,
          given: null,
          media: clip,
          at: 0,
          length: 4,
        },
      ],
    });
    const [cut] = masksOf(draft, mixture);
    assert.equal(cut!.numFrames, 4);
    assert.equal(masksOf(draft, mixture)[0], cut, 'the same mask is sent once');
  });

  test('repeats a mask that cannot be painted on, until another one is or the input changes', () => {
    const fill = task({ id: 'iinp', inputs: ['image'], mask: 'hole' });
    const input = media();
    const mask = { box: { x: 0, y: 0, width: 4, height: 4 } };
    const given = { input, mask: { mask, invert: true }, depth: { file_id: 'file_d' } };
    const draft = draftOf(fill, { inputs: [input], given });
    assert.equal(missing(draft, fill), null);
    assert.deepEqual(masksOf(draft, fill), []);
    const same = requestOf(draft, fill, new Map());
    assert.deepEqual(
      [same.mask, same.invert_mask, same.depth],
      [mask, true, { file_id: 'file_d' }],
    );
    const anew = requestOf({ ...draft, mask: painted }, fill, new Map([[painted, 'file_2']]));
    assert.deepEqual([anew.mask, anew.invert_mask], [{ file_id: 'file_2' }, undefined]);
    const undone = { ...draft, mask: undo(painted) };
    assert.deepEqual(requestOf(undone, fill, new Map()).mask, mask);
    const other = { ...draft, inputs: [media()] };
    assert.equal(missing(other, fill), 'Paint over the part to fill.');
    assert.equal(requestOf(other, fill, new Map()).depth, undefined);
  });

  test('repeats a mask instead of margins, until a side is dragged', () => {
    const extend = task({ id: 'ioutp', inputs: ['image'], mask: 'margins' });
    const input = media();
    const draft = draftOf(extend, {
      inputs: [input],
      margins: { left: 0, right: 0, top: 0, bottom: 0 },
      given: { input, mask: { mask: 'file_m', invert: false }, depth: null },
    });
    assert.equal(missing(draft, extend), null);
    const same = requestOf(draft, extend, new Map());
    assert.deepEqual([same.mask, same.expand], ['file_m', undefined]);
    const dragged = { ...draft, margins: { ...draft.margins, left: 0.5 } };
    const anew = requestOf(dragged, extend, new Map());
    assert.deepEqual([anew.mask, anew.expand], [undefined, 'left=0.50']);
  });

  test('repeats what a part of a mixture was given, and its mask until another one is painted', () => {
    const part = {
      id: 'p',
      at: 0,
      length: 1,
      longest: null,
      gray: false,
      keep: 1,
      media: media(),
      given: { mask: { mask: 'file_m', invert: true }, depth: 'file_d' },
    };
    const masks = new Map([[painted, 'file_2']]);
    const request = (mask: typeof painted | null) =>
      requestOf(draftOf(mixture, { parts: [{ ...part, mask }] }), mixture, masks).known;
    const common = { media: { file_id: 'file_1' }, at: 0, depth: 'file_d' };
    assert.deepEqual(request(null), [{ ...common, mask: 'file_m', invert: true }]);
    assert.deepEqual(request(painted), [{ ...common, mask: { file_id: 'file_2' } }]);
  });

  test('has all LoRAs, and what the form has no fields for', () => {
    const of = task({});
    const [lora, other] = [
      { id: 'a', scale: 0.5 },
      { id: 'b', scale: 1 },
    ];
    const draft = draftOf(of, { lora, moreLoras: [other], others: { guidance_range: [0.9, 0.1] } });
    assert.deepEqual(requestOf(draft, of, new Map()), {
      task: 't2v',
      guidance_range: [0.9, 0.1],
      lora: [lora, other],
    });
    assert.deepEqual(requestOf({ ...draft, lora: null }, of, new Map()).lora, other);
  });

  test('counts a seed upwards for several results, beyond what a number can hold', () => {
    const seeds = requestsOf({ seed: '9007199254740993' }, 3).map(({ seed }) => seed);
    assert.deepEqual(seeds, ['9007199254740993', '9007199254740994', '9007199254740995']);
    assert.deepEqual(requestsOf({ prompt: 'a' }, 2), [{ prompt: 'a' }, { prompt: 'a' }]);
  });
});
