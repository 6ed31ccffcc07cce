/** Reads a run folder, and compares it with that of the undisturbed run. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Line = { part: string; step: number } & Record<string, number | string>;

/** The lines of metrics.jsonl; throws for a line that is not JSON. */
export function linesOf(folder: string): Line[] {
  const path = join(folder, 'metrics.jsonl');
  if (!existsSync(path)) return [];
  const text = readFileSync(path, 'utf8');
  // a line that is still being written has no line end yet
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  return whole
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      try {
        return JSON.parse(line);
      } catch {
        throw new Error(`metrics.jsonl has the line ${JSON.stringify(line.slice(0, 80))}`);
      }
    });
}

/** Is it the line of a training step, not of a validation or of samples? */
export const isStep = (line: Line): boolean => 'learningRate' in line;

const TIMES = ['time', 'seconds', 'samplesPerSecond', 'tokensPerSecond', 'busy', 'peakShare'];
const isTime = (figure: string) => TIMES.includes(figure) || figure.startsWith('communication');

const kindOf = (line: Line) =>
  isStep(line) ? 'step' : 'psnr/vinp' in line || 'psnr/i2v' in line ? 'sheets' : 'validation';
export const keyOf = (line: Line): string => `${line.part} ${line.step} ${kindOf(line)}`;
const figuresOf = (line: Line) => Object.entries(line).filter(([name]) => !isTime(name));

export interface Reference {
  /** the lines of an undisturbed run, by part, step and kind */
  lines: ReadonlyMap<string, Line>;
  weights: ReadonlyMap<string, string>;
}

export function referenceOf(folder: string): Reference {
  return {
    lines: new Map(linesOf(folder).map((line) => [keyOf(line), line])),
    weights: weightsOf(folder),
  };
}

/** SHA-256 of the finished pipeline's weights, by file. */
export function weightsOf(folder: string): Map<string, string> {
  const files = ['transformer/diffusion_pytorch_model', 'vae/diffusion_pytorch_model'];
  files.push('text_encoder/model');
  return new Map(
    files.map((file) => {
      const path = join(folder, 'pipeline', `${file}.safetensors`);
      const bytes = existsSync(path) ? readFileSync(path) : 'missing';
      return [file, createHash('sha256').update(bytes).digest('hex')];
    }),
  );
}

/**
 * The largest relative difference of a loss, and the first line that differs in any figure.
 * @param upTo   lines of the transformer after this step are ignored
 */
export function differenceFrom(
  { lines }: Reference,
  folder: string,
  { tolerance = 0, upTo = Number.POSITIVE_INFINITY } = {},
): { worst: number; problem: string | null } {
  let worst = 0;
  let problem: string | null = null;
  for (const line of linesOf(folder)) {
    if (line.part === 'transformer' && line.step > upTo) continue;
    const expected = lines.get(keyOf(line));
    const wanted = new Map(expected ? figuresOf(expected) : []);
    for (const [name, value] of figuresOf(line)) {
      const other = wanted.get(name);
      if (value === other) continue;
      const apart = Math.abs(Number(value) - Number(other)) / Math.abs(Number(other));
      if (name === 'loss' && isStep(line)) worst = Math.max(worst, apart || 0);
      if (apart <= tolerance) continue;
      problem ??= `${keyOf(line)}: ${name} is ${value}, not ${other}`;
    }
  }
  return { worst, problem };
}

/** Steps of the undisturbed run for which there is no line. */
export function missingSteps({ lines }: Reference, folder: string): string[] {
  const found = new Set(linesOf(folder).map(keyOf));
  return [...lines].filter(([key, line]) => isStep(line) && !found.has(key)).map(([key]) => key);
}

const PARTS = ['autoencoder', 'adapter', 'transformer'];

export interface Stored {
  part: string;
  step: number;
  /** seconds of training */
  seconds: number;
}

/** The complete checkpoints, newest first. */
export function checkpointsOf(folder: string): Stored[] {
  const at = join(folder, 'checkpoints');
  if (!existsSync(at)) return [];
  const found = readdirSync(at).flatMap((name): Stored[] => {
    const [, part, step] = /^(\w+)-(\d{8})$/.exec(name) ?? [];
    if (!part || !isWhole(join(at, name))) return [];
    const { seconds } = JSON.parse(readFileSync(join(at, name, 'state.json'), 'utf8'));
    return [{ part, step: Number(step), seconds }];
  });
  const place = ({ part, step }: Stored) => PARTS.indexOf(part) * 1e9 + step;
  return found.sort((a, b) => place(b) - place(a));
}

function isWhole(folder: string): boolean {
  try {
    const sums: Record<string, string> = JSON.parse(
      readFileSync(join(folder, 'checksums.json'), 'utf8'),
    );
    return Object.entries(sums).every(
      ([name, sum]) =>
        createHash('sha256')
          .update(readFileSync(join(folder, name)))
          .digest('hex') === sum,
    );
  } catch {
    return false;
  }
}

/** Temporary files that were left behind. */
export function leftovers(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return (readdirSync(folder, { recursive: true }) as string[]).filter((name) =>
    /\.(tmp|old)$/.test(name),
  );
}
