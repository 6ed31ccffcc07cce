/** The browser that the studio's stories run in: the system's Chromium, driven by playwright-core. */
import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { aptInstall, canInstall } from '../../src/cli/commands/setup/tools.js';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

export interface BrowserFacts {
  /** path of the program */
  found: string | null;
  /** whether this is continuous integration, where the stories are part of what has to pass */
  isCi: boolean;
  /** whether it can be installed here, and has not been tried */
  mayInstall: boolean;
  /** why it could not be installed */
  failure?: string;
}

/** The browser, or that it is to be installed; else why the stories are left out, or fail. */
export type BrowserChoice = { path: string } | 'install' | { skip: string } | { fail: string };

/** The rule: what is there is used, what is missing is installed where that may be done. */
export function chooseBrowser({ found, isCi, mayInstall, failure }: BrowserFacts): BrowserChoice {
  if (found !== null) return { path: found };
  if (mayInstall) return 'install';
  const what = failure
    ? `Chromium could not be installed (${failure})`
    : `there is no Chromium (${NAMES.join(', ')})`;
  const sentence = `${what}; install it, or set CHROMIUM=/path/to/chromium, to run the studio's stories`;
  return isCi ? { fail: sentence } : { skip: sentence };
}

/** What the rule says here, after installing the browser if it says so. */
export function findBrowser(): Exclude<BrowserChoice, 'install'> {
  const isCi = process.env.CI === 'true';
  const isRoot = process.getuid?.() === 0;
  const found = installed();
  // with sudo only on CI: nobody's own machine is changed by its tests
  const mayInstall = found === null && (isCi || isRoot) && canInstall();
  const choice = chooseBrowser({ found, isCi, mayInstall });
  if (choice !== 'install') return choice;
  const failure = install();
  const after = chooseBrowser({ found: installed(), isCi, mayInstall: false, failure });
  return after as Exclude<BrowserChoice, 'install'>;
}

/** @returns why that failed */
function install(): string | undefined {
  try {
    aptInstall(['chromium']);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
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

/**
 * A page that fails the test that it is used in when anything goes wrong in it.
 *
 * @param expected  what may go wrong, besides plans that are refused
 */
export async function openPage(
  browser: Browser,
  address: string,
  expected?: RegExp,
): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 860 } });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // a plan that is refused is what some stories are about; the browser notes it
    const isRefusal = message.location().url.endsWith('/v1/plan');
    const isExpected = isRefusal || expected?.test(message.text());
    if (message.type() === 'error' && !isExpected) problems.push(message.text());
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
