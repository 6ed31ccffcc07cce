import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Frames } from '../../../src/media/index.js';
import {
  continued,
  OVERLAPS,
  type Span,
  windowSpans,
} from '../../../src/pipeline/generate/windows.js';
import { given, TASKS } from '../../../src/tasks/index.js';

/** How often each frame of the result is new in a window. */
function timesMade(wanted: number, spans: Span[]): number[] {
  const times = new Array<number>(wanted).fill(0);
  for (const { start, kept, overlap } of spans) {
    for (let i = start + overlap; i < start + kept; i++) times[i]!++;
  }
  return times;
}

/** The least that is made at once where `ending` frames are known, as `prepare` has it. */
const leastFor = (overlap: number, ending: number): number =>
  Math.ceil((overlap + ending) / 4) * 4 + 1;

describe('windowSpans', () => {
  test('makes every frame exactly once, whatever the numbers', () => {
    for (const overlap of new Set([...Object.values(OVERLAPS), 0])) {
      for (const ending of [0, 1, 3, 8]) {
        for (let most = leastFor(overlap, ending); most <= 41; most += 4) {
          for (let wanted = Math.max(1, ending + 1); wanted <= 130; wanted++) {
            const spans = windowSpans(wanted, most, { overlap, ending });
            const about = `${wanted} of ${most}, overlap ${overlap}, ending ${ending}`;
            assert.ok(
              timesMade(wanted, spans).every((times) => times === 1),
              about,
            );
            expectLaidOut(spans, { wanted, most, ending }, about);
          }
        }
      }
    }
  });

  test('a result of no more than is made at once has one window, as short as it can be', () => {
    for (const [wanted, made] of [
      [1, 1],
      [2, 5],
      [5, 5],
      [6, 9],
      [17, 17],
    ] as const) {
      const [only, ...others] = windowSpans(wanted, 17, { overlap: 8 });
      assert.deepEqual(only, { start: 0, made, kept: wanted, overlap: 0 });
      assert.deepEqual(others, []);
    }
  });

  test('frames in common are fewer than a window has, however short it is', () => {
    const spans = windowSpans(8, 5, { overlap: 8 });
    assert.deepEqual(
      spans.map(({ start }) => start),
      [0, 1, 2, 3],
    );
    assert.ok(spans.slice(1).every(({ overlap }) => overlap === 4));
  });
});

function expectLaidOut(
  spans: Span[],
  { wanted, most, ending }: { wanted: number; most: number; ending: number },
  about: string,
): void {
  for (const [i, { start, made, kept, overlap }] of spans.entries()) {
    const before = spans[i - 1];
    assert.ok(made % 4 === 1 && made <= most, `${about}: makes ${made}`);
    assert.ok(start >= 0 && kept <= made && kept > overlap, `${about}: keeps ${kept}`);
    if (!before) {
      assert.equal(overlap, 0);
      continue;
    }
    // what is shared is the end of the window before, and that window has so many
    assert.equal(start + overlap, before.start + before.kept, about);
    assert.ok(overlap <= before.kept, `${about}: shares ${overlap} of ${before.kept}`);
  }
  const { start, kept, overlap } = spans.at(-1)!;
  assert.equal(start + kept, wanted, about);
  if (ending > 0) assert.ok(kept - overlap > ending, `${about}: the end is in two windows`);
}

const flat = (numFrames: number, value: number, width = 4, height = 2): Frames => ({
  width,
  height,
  numFrames,
  data: new Uint8Array(numFrames * width * height * 3).fill(value),
});

describe('continued', () => {
  const own = flat(5, 10);
  const at = [0, 1, 2, 3, 4];

  test('a clip that goes on is given the frames before, and its own end', () => {
    const end = { frames: flat(1, 9), at: [12], hole: null };
    const { known } = continued(TASKS.vtrans, given({ known: [end] }), own);
    assert.deepEqual(
      known.map((one) => one.at),
      [at, [12]],
    );
    assert.equal(known[0]!.frames, own);
  });

  test('motion transfer begins with the last frame before, in place of a look of its own', () => {
    const look = { frames: flat(1, 200), at: [0], hole: null };
    const geometry = [{ frames: own, depth: null, at }];
    const next = continued(TASKS.mtrans, given({ known: [look], geometry }), flat(1, 30));
    assert.deepEqual(next.known, [{ frames: flat(1, 30), at: [0], hole: null }]);
    assert.equal(next.geometry, geometry);
  });

  test('a hole is closed where frames were made, and the input is not written to', () => {
    const hole = new Uint8Array(5 * 8).fill(1);
    const input = given({ known: [{ frames: own, at, hole }] });
    const { frames, hole: left } = continued(TASKS.vinp, input, flat(2, 77, 8, 4)).known[0]!;
    assert.deepEqual([...left!], [...new Array(16).fill(0), ...new Array(24).fill(1)]);
    assert.deepEqual([...frames.data], [...new Array(48).fill(77), ...new Array(72).fill(10)]);
    assert.ok(hole.every((value) => value === 1) && own.data.every((value) => value === 10));
  });

  test('what is cross-faded is given its own frames alone', () => {
    const input = given({ known: [{ frames: own, at, hole: null }] });
    for (const task of [TASKS.vsr, TASKS.vcolor, TASKS.vedit]) {
      assert.equal(continued(task, input, flat(4, 99)), input);
    }
  });
});
