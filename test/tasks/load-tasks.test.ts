import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { defineTask, loadTasks, ownTasksOf } from '../../src/tasks/index.js';
import { temporaryFolder } from '../temp-folder.js';

// outside of the repository, where no package mfm is installed
const folder = temporaryFolder();
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const declaration = (id: string) => `{
  id: '${id}', summary: 'all of it', promptTag: 'all', result: 'video', inputs: ['video'],
  fromSample: ({ clip }) => everyFrame(clip), fromInput: ({ media: [clip] }) => everyFrame(clip),
}`;
const importing = "import { defineTask, everyFrame } from 'mfm/tasks';\n";

describe('loadTasks', () => {
  test('takes all tasks that a module exports, by whatever names', async () => {
    const path = file(
      'three.mjs',
      `${importing}
      export const one = defineTask(${declaration('one')});
      export default [one, defineTask(${declaration('two')})];
      export const STRIDE = 4;
      export const helper = () => one;`,
    );
    for (const given of [path, pathToFileURL(path), pathToFileURL(path).href]) {
      const { tasks, file: from } = await loadTasks(given);
      assert.deepEqual(tasks.map(({ id }) => id).sort(), ['one', 'two']);
      assert.equal(from, path);
    }
  });

  test('takes TypeScript, and its mfm/tasks is this one', async () => {
    const path = file(
      'typed.ts',
      `${importing}import type { Task } from 'mfm/tasks';
      export { defineTask };
      export const mine: Task = defineTask(${declaration('mine')} as never);`,
    );
    const { tasks } = await loadTasks(path);
    assert.deepEqual(
      tasks.map(({ id }) => id),
      ['mine'],
    );
    const loaded = (await import(pathToFileURL(path).href)) as { defineTask: unknown };
    assert.equal(loaded.defineTask, defineTask);
  });

  test('takes a .js file, although no package.json calls it a module', async () => {
    const path = file(
      'plain.js',
      `${importing}export const js = defineTask(${declaration('js')});`,
    );
    const { tasks } = await loadTasks(path);
    assert.equal(tasks[0]?.id, 'js');
    const empty = file('empty.js', `export { defineTask } from 'mfm/tasks';`);
    const loaded = (await import(pathToFileURL(empty).href)) as { defineTask: unknown };
    assert.equal(loaded.defineTask, defineTask);
  });

  test('says in a sentence what is wrong with a file', async () => {
    const rejected = (path: string, message: string | RegExp) =>
      assert.rejects(loadTasks(path), { name: 'InputError', message });
    await rejected('gone.ts', 'gone.ts: no such file; name the module that declares your tasks');
    const none = file('none.mjs', 'export const STRIDE = 4;');
    await rejected(none, /none\.mjs: exports no task; write `export const mine = defineTask/);
    const broken = file('broken.mjs', 'export const = 4;');
    await rejected(broken, /broken\.mjs: cannot be loaded \([^\n]+\)$/);
    const thrown = file('thrown.mjs', "throw 'nothing';");
    await rejected(thrown, /thrown\.mjs: cannot be loaded \(nothing\)$/);
    const wrong = file('wrong.mjs', `${importing}export const a = defineTask({ id: 'a' });`);
    await rejected(wrong, /wrong\.mjs: defineTask: task "a": \d problems\n {2}summary: /);
    const bare = file('bare.mjs', "export const a = { id: 'a', inputs: [] };");
    await rejected(bare, /bare\.mjs: task "a": \d+ problems\n/);
    const twice = file(
      'twice.mjs',
      `${importing}export const a = defineTask(${declaration('same')});
      export const b = defineTask(${declaration('same')});`,
    );
    await rejected(twice, /twice\.mjs: two tasks have the id "same"; rename one$/);
  });
});

test('ownTasksOf takes tasks or the file of some, and none', async () => {
  const own = defineTask({
    id: 'own',
    summary: 'nothing',
    promptTag: 'nothing',
    result: 'video',
    size: 'pipeline',
    followsInput: false,
    fromSample: () => ({}) as never,
    fromInput: () => ({}) as never,
  });
  assert.deepEqual(await ownTasksOf([own]), { tasks: [own], file: null });
  assert.deepEqual(await ownTasksOf(), { tasks: [], file: null });
  await assert.rejects(ownTasksOf([own, own]), { message: /^tasks: two tasks have the id "own"/ });
});
