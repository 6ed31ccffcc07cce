/** What hands and eyes do in the studio. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import sharp from 'sharp';
import { fromRoot } from '../../src/files/package-root.js';

const axe = readFileSync(fromRoot('node_modules/axe-core/axe.min.js'), 'utf8');

/** Drops a picture beside its place; it finds it. */
export async function drop(page: Page, bytes: Buffer): Promise<void> {
  await page.getByText('Drop it here').first().waitFor();
  // as text, since it is run by the page, whose types are not those of tests
  const transfer = await page.evaluateHandle(`(() => {
    const transfer = new DataTransfer();
    const raw = Uint8Array.from(atob('${bytes.toString('base64')}'), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([raw], 'photo.png', { type: 'image/png' }));
    return transfer;
  })()`);
  await page.dispatchEvent('main', 'drop', { dataTransfer: transfer });
}

/** A stroke of the brush through points of the picture, each 0 to 1. */
export async function paint(
  page: Page,
  ...points: readonly (readonly [number, number])[]
): Promise<void> {
  const canvas = page.getByRole('application');
  await canvas.waitFor();
  const box = (await canvas.boundingBox())!;
  const at = ([x, y]: readonly [number, number]) =>
    [box.x + x * box.width, box.y + y * box.height] as const;
  await page.mouse.move(...at(points[0]!));
  await page.mouse.down();
  for (const point of points) await page.mouse.move(...at(point), { steps: 5 });
  await page.mouse.up();
}

export const setSteps = (page: Page, steps: number): Promise<void> =>
  page.getByLabel('Steps', { exact: true }).fill(String(steps));

/** The file behind the button that saves it. */
export async function resultBytes(page: Page): Promise<Buffer> {
  const address = await page.getByRole('link', { name: 'Save' }).getAttribute('href');
  return Buffer.from(await (await fetch(new URL(address!, page.url()))).arrayBuffer());
}

export const pixelsOf = (bytes: Buffer) =>
  sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });

/** A folder with three pictures, and words on each, as a person has it on the server. */
export function writeTrainingFolder(path: string): void {
  mkdirSync(path, { recursive: true });
  for (const name of ['a', 'b', 'c']) {
    copyFileSync(fromRoot('examples/media/elephant.jpg'), join(path, `${name}.jpg`));
    writeFileSync(join(path, `${name}.txt`), 'sks dog');
  }
}

interface Violation {
  id: string;
  nodes: readonly { target: unknown; failureSummary: string }[];
}

/** What axe finds, as one line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = (await page.evaluate('axe.run()')) as { violations: readonly Violation[] };
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}
