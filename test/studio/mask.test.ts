import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import sharp from 'sharp';
import {
  act,
  drawMask,
  drawMasks,
  emptyMask,
  isBlank,
  keyFrames,
  type MaskDocument,
  offsetAt,
  redo,
  undo,
} from '../../studio/logic/mask.js';
import type { Gray, MaskAction } from '../../studio/logic/mask-actions.js';

const hard = { feather: 0, erase: false } as const;
const box = (frame: number, x: number, y: number, side: number): MaskAction => ({
  ...hard,
  kind: 'box',
  frame,
  x,
  y,
  width: side,
  height: side,
});
const paint = (numFrames: number, ...actions: readonly MaskAction[]): MaskDocument =>
  actions.reduce(act, emptyMask(20, 10, numFrames));
const at = ({ data, width }: Gray, x: number, y: number) => data[y * width + x];
const white = ({ data }: Gray) => data.filter((value) => value === 255).length;

describe('a painted mask', () => {
  test('is white within a box and black outside', () => {
    const mask = drawMask(paint(1, box(0, 2, 3, 4)), 0);
    assert.equal(white(mask), 16);
    assert.deepEqual(
      [at(mask, 2, 3), at(mask, 5, 6), at(mask, 6, 6), at(mask, 1, 3)],
      [255, 255, 0, 0],
    );
  });

  test('follows a stroke of the brush between its points', async () => {
    const points = [
      { x: 4, y: 5 },
      { x: 15, y: 5 },
    ];
    const mask = drawMask(paint(1, { ...hard, kind: 'stroke', frame: 0, points, radius: 2 }), 0);
    // the same line as sharp draws it
    const svg =
      '<svg width="20" height="10"><path d="M4 5H15" stroke="#fff" stroke-width="4" stroke-linecap="round"/></svg>';
    const drawn = await sharp(Buffer.from(svg)).extractChannel(3).raw().toBuffer();
    const different = mask.data.filter((value, i) => Math.abs(value - drawn[i]!) > 64).length;
    assert.ok(different <= 8, `${different} pixels differ`);
  });

  test('loses what the eraser passes over, and keeps the rest', () => {
    const mask = drawMask(
      paint(1, box(0, 0, 0, 10), { ...box(0, 0, 0, 5), erase: true } as MaskAction),
      0,
    );
    assert.equal(white(mask), 75);
  });

  test('falls off over the feather of a brush', () => {
    const points = [{ x: 10, y: 5 }];
    const soft: MaskAction = {
      kind: 'stroke',
      frame: 0,
      points,
      radius: 5,
      feather: 1,
      erase: false,
    };
    const mask = drawMask(paint(1, soft), 0);
    const values = [10, 11, 12, 13, 14].map((x) => at(mask, x, 5)!);
    assert.deepEqual(
      [...values].sort((a, b) => b - a),
      values,
    );
    assert.equal(new Set(values).size, 5);
  });

  test('is as before after undo, and again as it was after redo', () => {
    const once = paint(1, box(0, 0, 0, 3));
    const twice = act(once, box(0, 5, 5, 3));
    assert.deepEqual(drawMask(undo(twice), 0), drawMask(once, 0));
    assert.deepEqual(redo(undo(twice)), twice);
    assert.deepEqual(undo(emptyMask(2, 2, 1)), emptyMask(2, 2, 1));
    assert.equal(act(undo(twice), box(0, 1, 1, 1)).undone.length, 0);
  });

  test('says when nothing is white', () => {
    assert.ok(isBlank(emptyMask(20, 10, 3)));
    assert.ok(!isBlank(paint(3, box(2, 0, 0, 1))));
    assert.ok(isBlank(paint(1, box(0, 0, 0, 2), { kind: 'flood', frame: 0, fill: false })));
  });
});

describe('a mask of a clip', () => {
  test('is one picture if every frame has the same', () => {
    assert.equal(drawMasks(paint(5, box(2, 0, 0, 2))).length, 1);
    assert.equal(drawMasks(paint(5, box(2, 0, 0, 2), box(3, 9, 0, 2))).length, 5);
  });

  test('is carried from a painted frame to those after it, and before the first', () => {
    const frames = drawMasks(paint(6, box(2, 0, 0, 2), box(4, 9, 0, 2)));
    assert.deepEqual(frames.map(white), [4, 4, 4, 4, 8, 8]);
  });

  test('begins anew where everything is erased', () => {
    const frames = drawMasks(paint(4, box(0, 0, 0, 2), { kind: 'flood', frame: 2, fill: false }));
    assert.deepEqual(frames.map(white), [4, 4, 0, 0]);
  });

  test('glides from where it was painted to where it is moved', () => {
    const mask = paint(5, box(0, 0, 0, 2), { kind: 'move', frame: 4, dx: 8, dy: 4 });
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((frame) => offsetAt(mask, frame).x),
      [0, 2, 4, 6, 8],
    );
    assert.equal(at(drawMask(mask, 2), 4, 2), 255);
    assert.equal(white(drawMask(mask, 2)), 4);
    assert.deepEqual(keyFrames(mask), [0, 4]);
  });

  test('is cut at the border of the picture when it is moved beyond', () => {
    const mask = paint(2, box(0, 0, 0, 4), { kind: 'move', frame: 0, dx: -2, dy: -3 });
    assert.equal(white(drawMask(mask, 0)), 2);
    assert.equal(
      white(drawMask(paint(1, box(0, 0, 0, 4), { kind: 'move', frame: 0, dx: 40, dy: 0 }), 0)),
      0,
    );
  });
});
