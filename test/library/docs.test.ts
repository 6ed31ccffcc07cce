/** The snippets of docs/library.md compile. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What snippets without these names take for granted. */
const GIVEN = `
declare const mfm: import('mfm').Mfm;
declare const clip: import('mfm').Generation;
`;
const DRAW = `
declare function draw(data: Uint8Array, width: number, height: number, index: number): void;
`;

test('every snippet of docs/library.md compiles', () => {
  const text = readFileSync(join(root, 'docs/library.md'), 'utf8');
  const snippets = [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, snippet]) => snippet!);
  assert.ok(snippets.length > 10);
  const files = new Map(
    snippets.map((snippet, i) => {
      const given = snippet.includes('await open(') ? '' : GIVEN;
      return [join(root, `docs/snippet-${i}.mts`), `${snippet}${given}${DRAW}export {};\n`];
    }),
  );
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  options.paths = { mfm: [join(root, 'src/index.ts')] };
  options.noUnusedLocals = false; // snippets show names that they do not use
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, version, ...rest) => {
    const snippet = files.get(path);
    return snippet === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, snippet, version);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  const problems = [...files.keys()].flatMap((path) => {
    const source = program.getSourceFile(path)!;
    const found = [...program.getSyntacticDiagnostics(source)];
    return [...found, ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) =>
        `${ts.flattenDiagnosticMessageText(messageText, '\n')}\n  in ${files.get(path)}`,
    );
  });
  assert.deepEqual(problems, []);
});
