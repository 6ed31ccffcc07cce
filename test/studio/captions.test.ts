import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { captioned } from '../../studio/logic/captions.js';

const of = (...names: readonly string[]) =>
  captioned(
    names,
    (name) => name,
    async (name) => `words of ${name}\n`,
  );

describe('the words on the files of a folder', () => {
  test('are those of the text file of the same name', async () => {
    assert.deepEqual(await of('dogs/b.jpg', 'dogs/b.txt', 'cats/b.jpg', 'cats/b.txt'), [
      { file: 'cats/b.jpg', caption: 'words of cats/b.txt' },
      { file: 'dogs/b.jpg', caption: 'words of dogs/b.txt' },
    ]);
  });

  test('are else its name', async () => {
    assert.deepEqual(await of('sks-dog_02.png', 'a dog runs.mp4'), [
      { file: 'a dog runs.mp4', caption: 'a dog runs' },
      { file: 'sks-dog_02.png', caption: 'sks dog' },
    ]);
  });

  test('leave out what is neither picture nor clip, and count 10 after 9', async () => {
    const files = await of('.DS_Store', 'notes.pdf', 'a10.png', 'a9.png', 'list.json');
    assert.deepEqual(
      files.map(({ file }) => file),
      ['a9.png', 'a10.png'],
    );
  });
});
