import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { fromRoot } from '../src/files/package-root.js';

/**
 * The rows of docs/architecture.md, from the ground up. A folder may import those of lower rows;
 * neighbours in one row stay apart.
 */
const ROWS: readonly (readonly string[])[] = [
  ['files', 'processes'],
  ['tensor', 'hub'],
  ['nn', 'media'],
  ['optim', 'diffusion'],
  ['models', 'data', 'distributed'],
  ['tasks'],
  ['pipeline'],
  ['train', 'eval'],
  ['library'],
  ['server'],
  ['cli'],
];

/** Tensor and its operators are made of one another. */
const ALLOWED_CIRCLE = ['cast', 'dispatch', 'ops', 'scope', 'tensor'].map(
  (name) => `tensor/${name}.ts`,
);

/** The library's public face, which lies in src/ itself: it imports what it shows; server and cli use it. */
const FACE = 'index.ts';

/** Files at one level of a folder: beyond this nobody finds anything. */
const MOST_FILES = 20;

const source = fromRoot('src');

const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort();

/** Every module of ours that each file imports, in whatever way, types included. */
const imports = new Map(
  files.map((file) => {
    const text = readFileSync(join(source, file), 'utf8');
    const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)\.js'/g)];
    return [file, specifiers.map(([, path]) => `${join(dirname(file), path!)}.ts`)];
  }),
);

describe('the folders of src/', () => {
  test('are those of the table of rows, and each imports only lower rows', () => {
    const folderOf = (file: string) => (file.includes('/') ? file.split('/')[0]! : null);
    const rowOf = (folder: string) => ROWS.findIndex((row) => row.includes(folder));
    const folders = [...new Set(files.map(folderOf))].filter((folder) => folder !== null);
    assert.deepEqual([...folders].sort(), ROWS.flat().sort());
    const upward: string[] = [];
    for (const [file, targets] of imports) {
      if (file === 'index.ts') continue; // the public face stands on all of them
      const from = folderOf(file);
      for (const target of targets) {
        const to = folderOf(target);
        if (target === FACE && from !== 'cli' && from !== 'server')
          upward.push(`${file} imports ${target}`);
        if (to === null || from === to || (file === FACE && to !== 'cli')) continue;
        // all else in src/ itself is below all rows
        if (from === null || rowOf(to) >= rowOf(from)) upward.push(`${file} imports ${target}`);
      }
    }
    assert.deepEqual(upward, []);
  });

  test('hold at most twenty files at one level', () => {
    const counts = new Map<string, number>();
    for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    const full = [...counts].filter(([, count]) => count > MOST_FILES);
    assert.deepEqual(full, []);
  });

  test('have no circle of imports but that of Tensor and its operators', () => {
    assert.deepEqual(circles(imports), [ALLOWED_CIRCLE]);
  });
});

describe('the page in studio/', () => {
  /** What a browser has to load: packages by their names, files by their paths. */
  const loaded = new Set<string>();
  const load = (file: string): void => {
    if (loaded.has(file)) return;
    loaded.add(file);
    const text = readFileSync(fromRoot(file), 'utf8');
    for (const [, specifier] of text.matchAll(
      /^(?:im|ex)port (?!type )(?:[^;'=]* from )?'([^']+)';/gm,
    )) {
      if (!/\.js$/.test(specifier!)) loaded.add(specifier!);
      else if (specifier!.startsWith('.')) load(sourceOf(join(dirname(file), specifier!)));
    }
  };
  load('studio/main.tsx');

  test('takes of the server nothing but types', () => {
    assert.ok(loaded.has('studio/api/client.ts'));
    assert.deepEqual(
      [...loaded].filter((path) => path.startsWith('src/server')),
      [],
    );
  });

  test('is built anew by scripts/setup when a file that it loads from src/ changes', () => {
    const compared = readFileSync(fromRoot('scripts/setup'), 'utf8').match(/src\/\S+\.ts/g) ?? [];
    assert.deepEqual(
      [...loaded].filter((path) => path.startsWith('src/')).sort(),
      [...compared].sort(),
    );
  });

  test('loads few packages, and nothing that only Node.js has', () => {
    const packages = [...loaded].filter((path) => !/\.tsx?$/.test(path)).sort();
    assert.deepEqual(packages, [
      ...['@preact/signals', 'd3-scale', 'd3-shape', 'preact', 'preact/hooks'],
    ]);
  });
});

/** `a/b.js` as it is imported → the file that is compiled to it. */
function sourceOf(path: string): string {
  const base = path.replace(/\.js$/, '');
  return [`${base}.ts`, `${base}.tsx`].find((file) => existsSync(fromRoot(file)))!;
}

/** Groups of files that reach one another by imports. Source: Tarjan 1972 */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const found: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    open.push(file);
    for (const target of graph.get(file) ?? []) {
      if (!order.has(target)) visit(target);
      if (open.includes(target)) {
        lowest.set(file, Math.min(lowest.get(file)!, lowest.get(target)!));
      }
    }
    if (lowest.get(file) !== order.get(file)) return;
    const group = open.splice(open.indexOf(file));
    if (group.length > 1) found.push(group.sort());
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return found;
}
