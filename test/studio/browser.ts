/** The browser that the studio's stories run in: the system's Chromium, driven by playwright-core. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Seconds that another apt may take. */
const PATIENCE = 'DPkg::Lock::Timeout=300';

/** The program, installed with apt if there is none and this may be done; otherwise why there is none. */
export function findBrowser(): { path: string } | { missing: string } {
  const found = installed();
  if (found) return { path: found };
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !which('apt-get')) {
    return {
      missing: `there is no Chromium (${NAMES.join(', ')}); install one to run the studio's stories`,
    };
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const words of [
    ['-o', PATIENCE, 'update'],
    ['-o', PATIENCE, 'install', '-y', '--no-install-recommends', 'chromium'],
  ]) {
    const { status, stderr } = spawnSync('apt-get', words, { env, encoding: 'utf8' });
    if (status !== 0) return { missing: `apt-get ${words.at(-1)} failed: ${stderr.trim()}` };
  }
  const path = installed();
  return path ? { path } : { missing: 'apt-get installed chromium, and it is not in the PATH' };
}

function installed(): string | null {
  const named = process.env.CHROMIUM;
  if (named) return named;
  return NAMES.map(which).find((path) => path !== null) ?? (existsSync(MAC) ? MAC : null);
}

function which(name: string): string | null {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.map((folder) => `${folder}/${name}`).find((path) => existsSync(path)) ?? null;
}

/** Begins the browser, which is headless. */
export function launch(path: string): Promise<Browser> {
  // Chromium has no sandbox for root, and little shared memory in containers
  const args = [
    '--no-sandbox',
    '--disable-dev-shm-usage',
    '--autoplay-policy=no-user-gesture-required',
  ];
  return chromium.launch({ executablePath: path, args });
}

/** A page that fails the test that it is used in when anything goes wrong in it. */
export async function openPage(browser: Browser, address: string): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // a plan that is refused is what some stories are about; the browser notes it
    const isRefusal = message.location().url.endsWith('/v1/plan');
    if (message.type() === 'error' && !isRefusal) problems.push(message.text());
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    const isOwn =
      url.origin === new URL(address).origin || ['data:', 'blob:'].includes(url.protocol);
    if (!isOwn) problems.push(`asked another host: ${request.url()}`);
  });
  await page.goto(address);
  return { page, problems };
}

export interface Watched {
  page: Page;
  /** errors in the page, and requests to other hosts */
  problems: readonly string[];
}
