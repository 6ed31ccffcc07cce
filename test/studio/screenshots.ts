/**
 * Takes the pictures of docs/studio.md: a server, some results, and the pages that show them.
 *
 * node --import tsx test/studio/screenshots.ts
 */
import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { fromRoot } from '../../src/files/package-root.js';
import { findBrowser, launch } from './browser.js';
import { paint, setSteps, writeTrainingFolder } from './hands.js';
import { serve } from './serve.js';

const found = findBrowser();
assert.ok('path' in found, Object.values(found)[0]);
const folder = mkdtempSync(join(tmpdir(), 'mfm-screenshots-'));
writeTrainingFolder(join(folder, 'data', 'elephants'));
const server = await serve(folder, { pipeline: fromRoot('models/mfm-mini') });
const browser = await launch(found.path);
const media = (name: string) => fromRoot(`examples/media/${name}`);

interface Look {
  width?: number;
  dark?: boolean;
}

async function open(hash: string, { width = 1280, dark = false }: Look = {}): Promise<Page> {
  const page = await browser.newPage({
    viewport: { width, height: 860 },
    colorScheme: dark ? 'dark' : 'light',
  });
  page.setDefaultTimeout(60_000);
  await page.goto(`${server.url}/${hash}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  return page;
}

async function take(page: Page, name: string): Promise<void> {
  await page.waitForLoadState('networkidle', { timeout: 3000 }).catch(() => undefined); // events never end
  const path = fromRoot(`docs/images/studio-${name}.webp`);
  const { size } = await sharp(await page.screenshot())
    .webp({ quality: 82, effort: 6 })
    .toFile(path);
  console.log(`${path} ${size} bytes`);
}

/** Fills in the words, makes the result, and waits for it. */
async function make(page: Page, words: string): Promise<void> {
  await page.getByLabel(/^What (it should show|to change)/).fill(words);
  await page.getByRole('button', { name: 'Make it' }).click();
  await page.getByRole('link', { name: 'Save' }).waitFor();
}

const give = (page: Page, slot: string, file: string) =>
  page.getByRole('group', { name: slot }).locator('input').setInputFiles(media(file));

// some results to look at
for (const [task, words] of [
  ['t2i', 'a large orange cube'],
  ['t2v', 'a blue cone rises'],
  ['t2i', 'a yellow sphere and a green cylinder'],
] as const) {
  const page = await open(`#/make/${task}`);
  await make(page, words);
  await page.close();
}

const words = await open('#/make/t2v');
await setSteps(words, 240); // long enough to be seen on any machine
await words
  .getByLabel(/^What it should show/)
  .fill('a small red cube moves left behind a blue sphere');
await words.getByRole('button', { name: 'Make it' }).click();
await words.getByAltText(/^Half-made, step (9|1\d)\d/).waitFor();
await take(words, 'live');
await words.getByRole('link', { name: 'Save' }).waitFor();

const fill = await open('#/make/vinp');
await give(fill, 'Your clip', 'rabbit.mp4');
await paint(fill, [0.47, 0.3], [0.5, 0.42], [0.55, 0.5]);
await fill.getByLabel('Frame', { exact: true }).fill('12');
await fill.getByRole('button', { name: 'Move', exact: true }).click();
await paint(fill, [0.5, 0.4], [0.53, 0.47]);
await fill.getByText(/96 × 80/).waitFor();
await take(fill, 'mask');

// the clip that was made above, beyond its borders
await words.getByText('Go on from here').click();
await words.getByRole('button', { name: /Extend the frame your clip/ }).click();
await words.emulateMedia({ colorScheme: 'dark' });
await make(words, 'a small red cube moves left behind a blue sphere');
await words.getByLabel('Before and after').fill('45');
await take(words, 'compare');

const mixture = await open('#/make/any');
for (const [index, prompt] of ['orange cube', 'yellow sphere', 'blue cone'].entries()) {
  const slot = mixture.getByRole('group', { name: 'Add a picture or clip' });
  await slot.getByRole('button', { name: 'A result' }).click();
  await mixture.locator('dialog[open]').getByRole('button', { name: prompt }).click();
  await mixture.locator('.part').nth(index).waitFor();
}
const cone = mixture.getByRole('button', { name: /^a blue cone rises/ });
for (let i = 0; i < 5; i++) await cone.press('Shift+ArrowLeft');
for (let i = 0; i < 3; i++) await cone.press('ArrowLeft');
await mixture.getByText(/64 × 64, 17 frames/).waitFor();
await take(mixture, 'mixture');

await take(await open('#/'), 'choose');

const phone = await open('#/make/iinp', { width: 400, dark: true });
await give(phone, 'Your picture', 'gecko.jpg');
await paint(phone, [0.4, 0.35], [0.6, 0.4], [0.65, 0.55]);
await phone.getByText(/192 × 192/).waitFor();
await take(phone, 'phone');

const training = await open('#/training');
await training.getByLabel('Name').fill('elephants');
await training.getByLabel('Folder on the server').selectOption('elephants');
await training.getByLabel('Steps', { exact: true }).fill('120');
await training.getByRole('button', { name: 'Start learning' }).click();
await training.getByText(/step [5-9]\d of 120/).waitFor({ timeout: 300_000 });
await take(training, 'training');

await browser.close();
await server.stop();
