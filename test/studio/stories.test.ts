/**
 * What people do in the studio, from end to end: the page, the server, the engine, real files. Few steps
 * of the small model, since what is told here is the way there and not the picture.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { fromRoot } from '../../src/files/package-root.js';
import type { FineTuningJobs, Jobs, Queue, Runs, Uploads } from '../../studio/api/types.js';
import { ffmpeg } from '../media/helpers.js';
import { temporaryFolder } from '../temp-folder.js';
import { findBrowser, launch, openPage } from './browser.js';
import {
  drop,
  paint,
  pixelsOf,
  resultBytes,
  setSteps,
  violations,
  writeTrainingFolder,
} from './hands.js';
import { type Served, serve } from './serve.js';

const found = findBrowser();
const skip = 'skip' in found && found.skip;

/** The longest that anything in a story may take, in ms: the machine may be busy. */
const PATIENCE = 60_000;

/** What the browser notes while the server ends, and while it is away. */
const AWAY = /net::ERR_|503 \(Service Unavailable\)/;

const photo = fromRoot('examples/media/gecko.jpg');

describe('the studio', { skip }, () => {
  const folder = temporaryFolder();
  let server: Served;
  let browser: Browser;

  before(async () => {
    assert.ok('path' in found, 'fail' in found ? found.fail : '');
    assert.ok(
      existsSync(fromRoot('build/studio/index.html')),
      'the studio is not built; run `npm run build:studio`',
    );
    server = await serve(folder);
    browser = await launch(found.path);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A page of the studio; whatever goes wrong in it fails the test. */
  async function visit(context: TestContext, hash: string, expected?: RegExp): Promise<Page> {
    const { page, problems } = await openPage(browser, `${server.url}/${hash}`, expected);
    page.setDefaultTimeout(PATIENCE);
    context.after(async () => {
      await page.context().close();
      assert.deepEqual(problems, []);
    });
    return page;
  }

  test('a photo is dropped, a part of it is painted over and filled, the rest stays', async (t) => {
    const page = await visit(t, '#/');
    await page.getByRole('link', { name: /Fill a part your image/ }).click();
    await drop(page, await smallPhoto());
    await paint(page, [0.3, 0.3], [0.6, 0.35], [0.6, 0.6]);
    await setSteps(page, 2);
    await page.getByText(/96 × 64 · /).waitFor();
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByLabel('Before and after').waitFor();

    const [before, after] = await Promise.all([smallPhoto(), resultBytes(page)]);
    const [old, made] = await Promise.all([pixelsOf(before), pixelsOf(after)]);
    assert.deepEqual([made.info.width, made.info.height], [96, 64]);
    const differs = (x: number, y: number) =>
      [0, 1, 2].some((c) => old.data[(y * 96 + x) * 3 + c] !== made.data[(y * 96 + x) * 3 + c]);
    assert.ok(differs(Math.round(96 * 0.45), Math.round(64 * 0.33)), 'what was painted is new');
    for (const [x, y] of [
      [1, 1],
      [94, 1],
      [1, 62],
      [94, 62],
    ] as const) {
      assert.ok(!differs(x, y), `${x}, ${y} is as it was`);
    }
    // the line can be moved by keys
    await page.getByLabel('Before and after').press('ArrowRight');
    assert.equal(await page.getByLabel('Before and after').inputValue(), '50.5');
  });

  test('a mask is painted and taken back by keys alone', async (t) => {
    const page = await visit(t, '#/make/iinp');
    await drop(page, await smallPhoto());
    const canvas = page.getByRole('application');
    await canvas.focus();
    for (const key of ['Space', 'ArrowRight', 'ArrowDown', 'ArrowRight', 'Space']) {
      await canvas.press(key);
    }
    await page.getByText(/96 × 64 · /).waitFor();
    await canvas.press('Control+z');
    await page.getByText('Paint over the part to fill.').waitFor();
    const { data: before } = await ask<Uploads>('files?purpose=mask');
    const removed = page.waitForResponse((answer) => answer.request().method() === 'DELETE');
    await canvas.press('Control+Shift+z');
    await page.getByText(/96 × 64 · /).waitFor();
    // of all that was painted, the server keeps what is used
    await removed;
    assert.equal((await ask<Uploads>('files?purpose=mask')).data.length, before.length);
    // also after another tool was set
    const size = page.getByRole('toolbar', { name: 'Mask' }).getByLabel('Size');
    await size.press('Control+z');
    await page.getByText('Paint over the part to fill.').waitFor();
    await size.press('Control+y');
    await page.getByText(/96 × 64 · /).waitFor();
  });

  test('undo in a part of a mixture changes its mask and nothing else', async (t) => {
    const page = await visit(t, '#/make/any');
    await drop(page, await smallPhoto());
    await page.getByLabel('Paint a part of it to be made anew').check();
    await paint(page, [0.3, 0.3], [0.6, 0.6]);
    await page.getByRole('button', { name: 'Undo', disabled: false }).waitFor();
    const keep = page.getByRole('slider', { name: /^Keep/ });
    await keep.fill('0.5');
    await page.getByText('Keep 50 %').waitFor();
    await keep.press('Control+z');
    await page.getByRole('button', { name: 'Undo', disabled: true }).waitFor();
    assert.equal(await keep.inputValue(), '0.5');
  });

  test('the queue is put in order and emptied by keys alone', async (t) => {
    await fetch(`${server.url}/v1/queue/pause`, { method: 'POST' });
    for (const prompt of ['one', 'two', 'three']) {
      await fetch(`${server.url}/v1/videos`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ task: 't2i', prompt, num_inference_steps: 1 }),
      });
    }
    const page = await visit(t, '#/queue');
    const isFocused = (name: string) =>
      page.getByRole('button', { name, exact: true }).and(page.locator(':focus')).waitFor();
    const earlier = page.getByRole('button', { name: 'Earlier: three' });
    await earlier.focus();
    for (const place of [2, 1]) {
      await page.keyboard.press('Enter');
      await page
        .getByRole('listitem')
        .nth(place - 1)
        .getByText('three')
        .waitFor();
      await isFocused('Earlier: three');
    }
    assert.equal(await earlier.getAttribute('aria-disabled'), 'true');
    await page.getByRole('button', { name: 'Remove: one' }).focus();
    await page.keyboard.press('Enter');
    await isFocused('Remove: two');
    await page.keyboard.press('Enter');
    await isFocused('Remove: three');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Queue' }).and(page.locator(':focus')).waitFor();
    await fetch(`${server.url}/v1/queue/resume`, { method: 'POST' });
  });

  test('two pictures that are dropped in haste both find their place', async (t) => {
    const page = await visit(t, '#/make/itrans');
    const photo = await smallPhoto();
    await drop(page, photo);
    await drop(page, photo);
    for (const slot of ['From this picture', 'To this picture']) {
      await page.getByRole('group', { name: slot }).getByText('photo.png').waitFor();
    }
    await page.getByText(/\d+ × \d+.* · /).waitFor();
  });

  test('pages are reached by keys, and say what they are', async (t) => {
    const page = await visit(t, '#/');
    await page.getByRole('link', { name: 'Queue' }).press('Enter');
    await page.getByRole('heading', { name: 'Queue' }).waitFor();
    assert.equal(await page.evaluate('document.activeElement.id'), 'main');
    assert.match(await page.title(), /Queue · mfm studio$/);
    await page.evaluate("location.hash = '#/training/50%'");
    await page.getByRole('heading', { name: '50%' }).waitFor();
    await page.getByText('There is no such run; it may have been deleted.').waitFor();
  });

  test('a clip is made from words, and then continued', async (t) => {
    const page = await visit(t, '#/make/t2v');
    await page.getByLabel('What it should show').fill('a small red cube moves left');
    await setSteps(page, 2);
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByText('64 × 64, 17 frames at 8 fps', { exact: true }).waitFor();

    const others = page.getByText('Go on from here');
    await others.press('Enter');
    await page.getByRole('button', { name: /Go on with it/ }).focus();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /Go on with it/ }).waitFor({ state: 'hidden' });
    await others.press('Enter');
    await page.getByRole('button', { name: /Go on with it/ }).press('Enter');
    await setSteps(page, 2);
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByText(/^64 × 64, (2[0-9]) frames at 8 fps$/).waitFor();
    assert.equal(await page.getByRole('button', { name: 'Sound' }).count(), 0);
    // frame by frame
    await page.getByRole('button', { name: 'Pause' }).click();
    const slider = page.getByLabel('Frame', { exact: true });
    await slider.fill('3');
    await page.getByRole('button', { name: 'Next frame' }).click();
    assert.equal(await slider.inputValue(), '4');
  });

  test('a clip with sound plays in silence until the sound is turned on', async (t) => {
    const path = join(folder, 'loud.mp4');
    ffmpeg(
      ...['-f', 'lavfi', '-i', 'testsrc2=size=64x64:rate=8:duration=1.125'],
      ...['-f', 'lavfi', '-i', 'sine=duration=1.125', '-pix_fmt', 'yuv420p', path],
    );
    const page = await visit(t, '#/make/vcolor');
    const sound = page.getByRole('button', { name: 'Sound' });
    const clip = page.getByLabel(/^(After|The result|loud\.mp4)$/);
    const silent = () => clip.evaluate((it) => (it as unknown as { muted: boolean }).muted);
    await page.getByRole('group', { name: 'Your clip' }).locator('input').setInputFiles(path);
    await sound.waitFor();
    assert.equal(await silent(), true);
    await setSteps(page, 1);
    await page.getByRole('button', { name: 'Make it' }).click();
    // beside what it was made of, and alone
    await page.getByLabel('Before and after').waitFor();
    for (const _ of ['compared', 'alone']) {
      assert.deepEqual([await silent(), await sound.getAttribute('aria-pressed')], [true, 'false']);
      await sound.click();
      assert.deepEqual([await silent(), await sound.getAttribute('aria-pressed')], [false, 'true']);
      await page.getByRole('button', { name: 'Compare' }).click();
    }
  });

  test('a clip is seen as it takes shape, stopped in the middle, and begun again', async (t) => {
    const page = await visit(t, '#/make/t2v');
    await page.getByLabel('What it should show').fill('a blue sphere');
    await setSteps(page, 500);
    await page.getByRole('button', { name: 'Make it' }).click();
    for (const again of [false, true]) {
      if (again) await page.getByRole('button', { name: 'Begin again' }).click();
      await page
        .getByAltText(/^Half-made, step \d+ of 500$/)
        .first()
        .waitFor();
      await page.getByRole('button', { name: 'Stop', exact: true }).click();
      await page.getByRole('heading', { name: 'Stopped' }).waitFor();
    }
    const queue = await ask<Queue>('queue');
    assert.deepEqual([queue.running, queue.data], [null, []]);
  });

  test('what does not fit is refused before it is begun, and what is wrong is said', async (t) => {
    const page = await visit(t, '#/make/t2v');
    const go = page.getByRole('button', { name: 'Make it' });
    await page.getByText('Say what the result should show.').waitFor();
    assert.ok(await go.isDisabled());
    await page.getByLabel('What it should show').fill('a red cube');
    await page.getByLabel('Frames', { exact: true }).fill('many');
    await page.getByText('Frames must be a number.').first().waitFor();
    await page.getByLabel('Frames', { exact: true }).fill('');
    await page.getByLabel('Size').fill('16384x16384');
    await page.getByRole('alert').waitFor();
    assert.ok(await go.isDisabled());
  });

  test('ten are queued and the page is closed; a restart later all are there', async (t) => {
    const page = await visit(t, '#/make/t2i');
    await page.getByLabel('What it should show').fill('a large orange cube');
    await setSteps(page, 12);
    await page.getByLabel('Seed').fill('100');
    await page.getByLabel('How many results').fill('10');
    await page.getByRole('button', { name: 'Make 10' }).click();
    await page.getByText('10 results are queued.', { exact: false }).waitFor();
    await page.context().close();

    await server.stop();
    const stopped = Date.now() / 1000;
    server = await serve(folder);
    const later = await visit(t, '#/results');
    await later.getByPlaceholder('Words or seed').fill('orange');
    const done = later.getByRole('link', {
      name: /^a large orange cube.*done$/,
    });
    for (let nth = 0; nth < 10; nth++) await done.nth(nth).waitFor();
    assert.equal(await done.count(), 10);
    const { data } = await ask<Jobs>('videos?task=t2i&limit=10');
    assert.ok(
      data.some(({ started_at: begun }) => begun! > stopped),
      'the queue was not empty when the server was stopped',
    );
    await done.first().click();
    await later.getByText('Settings', { exact: true }).click();
    await later.getByText(/^10\d$/).waitFor();
  });

  test('a request is made once, however often and in whatever way it is sent', async (t) => {
    const page = await visit(t, '#/make/t2i', /net::ERR_FAILED/);
    const made = async (seed: string) => {
      await page.getByText('64 × 64', { exact: true }).waitFor();
      const { data } = await ask<Jobs>('videos?task=t2i&limit=100');
      return data.filter((job) => job.seed === seed).length;
    };
    const go = page.getByRole('button', { name: 'Make it' });
    await page.getByLabel('What it should show').fill('a red cube');
    await setSteps(page, 1);
    await page.getByLabel('Seed').fill('4242');
    await page.getByText(/64 × 64 · /).waitFor();
    await go.dblclick();
    assert.equal(await made('4242'), 1);

    // the answer is lost on its way
    await page.getByLabel('Seed').fill('4243');
    await page.getByText(/64 × 64 · /).waitFor();
    await page.route('**/v1/videos', async (sent) => {
      await sent.fetch();
      await sent.abort();
    });
    await page.getByLabel('Seed').press('Enter');
    await page.getByText('The server does not answer', { exact: false }).waitFor();
    await page.unroute('**/v1/videos');
    await page.getByLabel('What it should show').press('Control+Enter');
    await page.getByRole('list', { name: 'Results of this task' }).waitFor();
    assert.equal(await made('4243'), 1);

    // when it is deleted, the one before it is shown
    page.on('dialog', (dialog) => void dialog.accept());
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('list', { name: 'Results of this task' }).waitFor({ state: 'detached' });
    await page.getByText('Settings', { exact: true }).click();
    await page.getByText('4242', { exact: true }).waitFor();
  });

  test('the server is away for a while, and the page goes on by itself', async (t) => {
    const page = await visit(t, '#/make/t2i', AWAY);
    await page.getByLabel('What it should show').fill('a red cube');
    await page.getByText(/64 × 64 · /).waitFor();
    const { port } = new URL(server.url);
    await server.stop();
    await page.getByText('Reconnecting…').waitFor();
    await page.getByText('Waiting for the server…').waitFor();
    server = await serve(folder, { port });
    await page.getByText(/64 × 64 · /).waitFor();
    assert.equal(await page.getByText('Reconnecting…').count(), 0);
    await setSteps(page, 2);
    await page.getByText(/64 × 64 · /).waitFor();
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByText('64 × 64', { exact: true }).waitFor();
  });

  test('a key is asked for, and asked for again when the server has forgotten who this is', async (t) => {
    const own = join(folder, 'locked');
    mkdirSync(own);
    let locked = await serve(own, { apiKey: 'open-sesame' });
    t.after(() => locked.stop());
    const { page, problems } = await openPage(
      browser,
      locked.url,
      new RegExp(`${AWAY.source}|401`),
    );
    t.after(() => page.context().close());
    page.setDefaultTimeout(PATIENCE);
    const key = page.getByLabel('API key');
    const open = page.getByRole('button', { name: 'Open the studio' });
    const tasks = page.getByRole('link', { name: /Picture from words/ });
    await key.fill('wrong');
    await open.click();
    await page.getByText(/^api_key: is not accepted/).waitFor();
    await key.fill('open-sesame');
    await open.click();
    await tasks.waitFor();
    const { port } = new URL(locked.url);
    await locked.stop();
    locked = await serve(own, { port, apiKey: 'open-sesame' });
    await key.fill('open-sesame');
    await open.click();
    await tasks.waitFor();
    assert.deepEqual(problems, []);
  });

  test('a tab that is not seen leaves its connection to the others', async (t) => {
    const page = await visit(t, '#/queue');
    await page.getByText('Nothing waits.').waitFor();
    const setHidden = (hidden: boolean) =>
      page.evaluate(`Object.defineProperty(document, 'hidden', { value: ${hidden}, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))`);
    await setHidden(true);
    const left = page.waitForEvent('requestfailed', (request) =>
      request.url().endsWith('/v1/events'),
    );
    const other = await page.context().newPage();
    await other.goto(`${server.url}/#/queue`);
    await left;
    await other.close();
    await setHidden(false);
    await page.getByText('Reconnecting…').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
  });

  test('a result that is no longer there is said to be so', async (t) => {
    const page = await visit(t, '#/results/video_000000000000000000000000', /404/);
    await page.getByText('There is no such result; it may have been deleted.').waitFor();
  });

  test('a result is found with its settings, which can be changed, and made with another seed', async (t) => {
    const page = await visit(t, '#/results');
    await page
      .getByRole('link', { name: /Fill a part/ })
      .first()
      .click();
    // whether the tasks or the job are read first
    await page.reload();
    await page.getByLabel('Before and after').waitFor();
    await page.getByRole('button', { name: 'Change it' }).click();
    await page.getByRole('application').waitFor();
    assert.equal(await page.getByLabel('Steps', { exact: true }).inputValue(), '2');
    assert.ok(await page.getByRole('button', { name: 'Undo' }).isEnabled(), 'the mask is back');
    await page.goBack();
    await page.getByRole('button', { name: 'Again with another seed' }).click();
    await page.waitForURL(/#\/make\/iinp$/);
    await page.getByLabel('Before and after').waitFor();
    await page.getByRole('button', { name: 'Change it' }).click();
    await page.getByRole('application').waitFor();
    const { data } = await ask<Jobs>('videos?task=iinp');
    assert.equal(new Set(data.map(({ seed }) => seed)).size, 2);
  });

  test('a mask that was given inverted is changed as what it stands for', async (t) => {
    const form = new FormData();
    form.append('file', new Blob([new Uint8Array(await smallPhoto())]), 'photo.png');
    const upload = await fetch(`${server.url}/v1/files`, { method: 'POST', body: form });
    const { id } = (await upload.json()) as { id: string };
    const box = { x: 8, y: 8, width: 32, height: 32 };
    const created = await fetch(`${server.url}/v1/videos`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        task: 'iinp',
        inputs: [{ file_id: id }],
        mask: { box },
        invert_mask: true,
        num_inference_steps: 1,
      }),
    });
    const job = (await created.json()) as { id: string };
    const page = await visit(t, `#/results/${job.id}`);
    await page.getByLabel('Before and after').waitFor();
    await page.getByRole('button', { name: 'Change it' }).click();
    await page.getByText('a box, inverted', { exact: false }).waitFor();
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByLabel('Before and after').waitFor();
    const [again] = (await ask<Jobs>('videos?task=iinp&limit=1')).data;
    assert.notEqual(again!.id, job.id);
    assert.deepEqual([again!.request.mask, again!.request.invert_mask], [{ box }, true]);
  });

  test('a fine-tuning is begun from a folder, watched, and used', async (t) => {
    writeTrainingFolder(join(folder, 'data', 'dogs'));
    const page = await visit(t, '#/training');
    const other = await visit(t, '#/make/i2v');
    await other.getByText('Add a picture to begin.').waitFor();
    await page.getByLabel('Name').fill('my-dog');
    await page.getByLabel('Folder on the server').selectOption('dogs');
    await page.getByLabel('Steps', { exact: true }).fill('4');
    await page.getByLabel('Tasks').selectOption('t2i');
    await page.getByRole('button', { name: 'Start learning' }).click();
    await page.getByRole('img', { name: /^loss, / }).waitFor();
    await page.getByRole('button', { name: 'Make something with it' }).click();
    await page.getByLabel('What it should show').fill('sks dog');
    await setSteps(page, 2);
    await page.getByRole('button', { name: 'Make it' }).click();
    await page.getByText('64 × 64', { exact: true }).waitFor();
    // a page that was open before has it, too
    await other.getByLabel('Fine-tuned with').selectOption('my-dog');
    const { data } = await ask<Jobs>('videos?limit=1');
    const [tuning] = (await ask<FineTuningJobs>('fine_tuning/jobs')).data;
    assert.deepEqual(data[0]!.request.lora, { id: tuning!.id, scale: 1 });
  });

  test('no page has a violation of accessibility rules, wide and light, or dark on a phone', async (t) => {
    const page = await visit(t, '#/');
    const [filled] = (await ask<Jobs>('videos?status=completed&task=iinp')).data;
    const [run] = (await ask<Runs>('runs')).data;
    for (const hash of [
      ...['#/', '#/make/t2v', '#/make/vinp', '#/make/any', '#/results', `#/results/${filled!.id}`],
      ...['#/queue', '#/training', `#/training/${run!.name}`],
    ]) {
      await page.goto(`${server.url}/${hash}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      for (const [width, colorScheme] of [
        [1280, 'light'],
        [400, 'dark'],
      ] as const) {
        await page.setViewportSize({ width, height: 800 });
        // without transitions, which would be measured half-way
        await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
        assert.deepEqual(await violations(page), [], `${hash}, ${colorScheme}, ${width} pixels`);
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        assert.equal(overflow, 0, `${hash} is ${overflow} pixels wider than ${width}`);
      }
    }
  });

  /** What the server says at a path. */
  async function ask<T>(path: string): Promise<T> {
    return (await (await fetch(`${server.url}/v1/${path}`)).json()) as T;
  }

  /** The photo at a size that the small model is quick with. */
  function smallPhoto(): Promise<Buffer> {
    return sharp(photo).resize(96, 64, { fit: 'cover' }).png().toBuffer();
  }
});
