/** Compares what runs have measured on two devices. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Sums in float32 are in another order on another device, and steps carry the differences on. */
const TOLERANCE = 2e-3;

type Figures = ReturnType<typeof figuresOf>;
const FIGURES = /^(loss|validation|psnr|gradNorm|alignment)/;

/** Losses and other figures of a run, by part, step and name. */
function figuresOf(run: string, names: RegExp): Map<string, number> {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return new Map(
    lines.flatMap((line) => {
      const { part, step, ...figures } = JSON.parse(line);
      return Object.entries(figures)
        .filter(([name]) => names.test(name))
        .map(([name, value]): [string, number] => [`${part} ${step} ${name}`, value as number]);
    }),
  );
}

/** Expects the same figures of two runs, but for rounding. */
export function expectSameFigures(
  got: string,
  want: string,
  { tolerance = TOLERANCE, names = FIGURES }: { tolerance?: number; names?: RegExp } = {},
): void {
  const [a, b] = [got, want].map((run) => figuresOf(run, names)) as [Figures, Figures];
  assert.deepEqual([...a.keys()], [...b.keys()]);
  assert.ok(b.size > 0);
  for (const [name, value] of b) {
    const difference = Math.abs(a.get(name)! - value);
    assert.ok(difference <= tolerance * Math.abs(value), `${name}: ${a.get(name)}, not ${value}`);
  }
}
