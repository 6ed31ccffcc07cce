/** How a step's time and memory grow with the number of tokens: a table, a fit and a plot. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { chart } from '../src/cli/charts/chart.js';

export interface GrowthRow {
  tokens: number;
  /** frames x height x width */
  clip: string;
  /** per step */
  seconds: number;
  /** for what is done once per clip */
  prepareSeconds: number;
  /** peak memory of a step, beyond weights and inputs */
  gigabytes: number;
}

/** A Markdown table. */
export function growthTable(rows: readonly GrowthRow[]): string {
  const lines = rows.map(({ tokens, clip, seconds, gigabytes }) => [
    String(tokens),
    clip,
    seconds.toFixed(2),
    ((1000 * seconds) / tokens).toFixed(2),
    gigabytes.toFixed(3),
    ((1000 * gigabytes) / tokens).toFixed(3),
  ]);
  const head = [
    'tokens',
    'clip',
    's per step',
    's per 1000 tokens',
    'peak GB',
    'GB per 1000 tokens',
  ];
  return [head, head.map(() => '---'), ...lines]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

/** The least-squares line through the peaks, and the largest relative deviation from it. */
export function memoryFit(rows: readonly GrowthRow[]): { text: string; worst: number } {
  const { base, slope } = memoryLine(rows);
  const worst = Math.max(
    ...rows.map(({ tokens, gigabytes }) => Math.abs(gigabytes / (base + slope * tokens) - 1)),
  );
  const line = `${base.toFixed(3)} GB + ${(1000 * slope).toFixed(3)} GB per 1000 tokens`;
  return { text: `peak memory ${line}, off by at most ${(100 * worst).toFixed(0)}%`, worst };
}

function memoryLine(rows: readonly GrowthRow[]): { base: number; slope: number } {
  const mean = (of: (row: GrowthRow) => number) =>
    rows.map(of).reduce((a, b) => a + b, 0) / rows.length;
  const [x, y] = [mean((row) => row.tokens), mean((row) => row.gigabytes)];
  const slope =
    mean((row) => (row.tokens - x) * (row.gigabytes - y)) / mean((row) => (row.tokens - x) ** 2);
  return { base: y - slope * x, slope };
}

/** Writes both curves, beside linear growth, as one SVG file. */
export function growthPlot(rows: readonly GrowthRow[], name: string, path: string): void {
  const { base, slope } = memoryLine(rows);
  const [first, last] = [rows[0]!, rows.at(-1)!];
  const measured = (of: (row: GrowthRow) => number) => ({
    name: 'measured',
    points: rows.map((row) => [row.tokens, of(row)] as const),
  });
  const line = (from: number, to: number) => ({
    name: 'linear',
    points: [[0, from] as const, [last.tokens, to] as const],
  });
  const time = chart(
    `Seconds per step (${name})`,
    [measured((row) => row.seconds), line(0, (first.seconds * last.tokens) / first.tokens)],
    'tokens per clip',
  );
  const memory = chart(
    'Peak memory beyond weights, GB',
    [measured((row) => row.gigabytes), line(base, base + slope * last.tokens)],
    'tokens per clip',
  ).replace('<svg ', '<svg x="460" ');
  const frame = 'viewBox="0 0 920 230" width="920" height="230" font-family="sans-serif"';
  const paper = '<rect width="100%" height="100%" fill="#fff"/>';
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(
    path,
    `<svg xmlns="http://www.w3.org/2000/svg" ${frame}>${paper}${time}${memory}</svg>\n`,
  );
}
