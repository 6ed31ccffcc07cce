/** What the documents promise: commands that parse, files that exist, recipes that load. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { commands } from '../src/cli/commands.js';
import { parseArgs } from '../src/cli/terminal/args.js';
import { fromRoot } from '../src/files/package-root.js';
import { readRecipe } from '../src/train/recipe/read-recipe.js';

const documents = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'],
  ...readdirSync(fromRoot('docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));
const read = (name: string) => readFileSync(fromRoot(name), 'utf8');

/** Words of a shell line: quotes kept together, a comment left out. */
function words(line: string): string[] {
  return [...line.replace(/\s#.*$/, '').matchAll(/"([^"]*)"|(\S+)/g)].map((m) => m[1] ?? m[2]!);
}

async function expectCommand(line: string): Promise<void> {
  const [, name, ...rest] = words(line);
  if (name === undefined || name.startsWith('-')) return;
  assert.ok(Object.hasOwn(commands, name), `${line}: no such command`);
  if (rest.includes('--help')) return;
  const command = await commands[name]!();
  parseArgs(
    `mfm ${name}`,
    command.args,
    rest.map((word) => word.replace('...', '')),
  );
}

describe('documents', () => {
  for (const name of documents) {
    test(`${name}: every ./mfm line is understood`, async () => {
      const lines = read(name).split('\n');
      for (const line of lines.filter((l) => /^\s*\.\/mfm /.test(l)))
        await expectCommand(line.trim());
    });

    test(`${name}: every link to a file leads to one`, () => {
      const folder = name.includes('/') ? 'docs/' : '';
      for (const [, target] of read(name).matchAll(/\]\(([^)#]+)\)/g)) {
        if (target!.startsWith('http')) continue;
        assert.ok(existsSync(fromRoot(folder + target)), `${name} links to ${target}`);
      }
    });
  }

  test('the examples of every help text are understood', async () => {
    for (const [name, load] of Object.entries(commands)) {
      for (const [, example] of (await load()).examples ?? []) {
        await expectCommand(`./mfm ${example}`);
        assert.ok(example.startsWith(name));
      }
    }
  });
});

describe('examples', () => {
  // compiled with all other code, with mfm/… as the modules of src/; those of tasks.md have a test of their own
  test('docs/training.md shows examples/train.ts as it is', () => {
    const [, shown] = /```ts\n([\s\S]*?)```/.exec(read('docs/training.md'))!;
    assert.equal(shown, read('examples/train.ts'));
  });

  test('examples/train.ts trains, and ends with the folder of the pipeline', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mfm-docs-'));
    try {
      symlinkSync(fromRoot('models'), join(folder, 'models'));
      const tsx = import.meta.resolve('tsx');
      const env = {
        ...process.env,
        OMP_NUM_THREADS: '1',
        TSX_TSCONFIG_PATH: fromRoot('tsconfig.json'),
      };
      const words = ['--import', tsx, fromRoot('examples/train.ts')];
      const { status, stdout, stderr } = spawnSync(process.execPath, words, {
        cwd: folder,
        encoding: 'utf8',
        env,
      });
      assert.equal(status, 0, stderr);
      const lines = stdout.trimEnd().split('\n');
      assert.equal(lines.pop(), 'runs/reds/pipeline');
      assert.match(lines.join('\n'), /^4 \d+\.\d+$/);
      assert.match(stderr, /^samples by task: t2i \d+ of \d+/m);
      assert.ok(existsSync(join(folder, 'runs/reds/pipeline/model_index.json')));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('recipes', () => {
  for (const name of readdirSync(fromRoot('recipes'))) {
    test(`${name} loads`, () => {
      readRecipe(fromRoot(`recipes/${name}`));
    });
  }

  // that of docs/tasks.md is for a task which its reader adds
  for (const name of ['docs/training.md', 'docs/fine-tuning.md']) {
    test(`those in ${name} are accepted`, () => {
      const blocks = [...read(name).matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text]) => text!);
      assert.ok(blocks.length > 0, 'there are some');
      const folder = mkdtempSync(join(tmpdir(), 'mfm-docs-'));
      try {
        for (const text of blocks) {
          const path = join(folder, 'recipe.yaml');
          writeFileSync(path, JSON.stringify(completed(parse(text))));
          readRecipe(path);
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
});

/** A block without a name shows some keys alone: the rest of a recipe that fine-tunes is added. */
function completed(block: Record<string, unknown>): object {
  if ('name' in block) return block;
  const transformer = { steps: 1, ...(block.transformer as object | undefined) };
  return { name: 'shown', base: 'models/mfm-mini', ...block, transformer };
}

describe('.github/workflows/ci.yml', () => {
  interface Workflow {
    jobs: Record<string, { steps: { run?: string; uses?: string }[] }>;
  }

  test('calls commands that there are', () => {
    const { jobs } = parse(read('.github/workflows/ci.yml')) as Workflow;
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const lines = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    const called = lines.flatMap((line) => [...line.matchAll(/^(make|npm run) (\S+)/gm)]);
    assert.ok(called.length >= 2, lines.join('; '));
    for (const [line, program, name] of called) {
      const known = program === 'make' ? read('Makefile').includes(`\n${name}:`) : scripts[name!];
      assert.ok(known, line);
    }
  });
});
