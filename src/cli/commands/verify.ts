/** `mfm verify`: checks the networks against stored results of the reference implementation. */
import type { VerifyRow } from '../../eval/verify/types.js';
import { chosenDevice, deviceOption } from '../options/device.js';
import { defineArgs, type Options } from '../terminal/args.js';

export const summary = 'check the networks against stored results of the reference implementation';

export const args = defineArgs({
  positional: {
    folder: {
      kind: 'text',
      repeat: true,
      describe: 'folder of stored results (tensors with their side-car files)',
    },
  },
  options: { device: deviceOption },
});

export const examples = [
  ['the transformer, forward and backward', 'verify ../shared/goldens/transformer'],
] as const;

/** Prints a line for each group of tensors. @returns 1 if an error exceeds its tolerance */
export async function run({
  folder: folders,
  device: asked,
}: Options<typeof args>): Promise<number> {
  const { familiesOf } = await import('../../eval/verify/families.js');
  // check all folders first, so that a wrong one is reported at once
  const work = folders.map((folder) => ({ folder, families: familiesOf(folder) }));

  const device = await chosenDevice(asked);
  const totals: string[] = [];
  let failed = 0;
  for (const { folder, families } of work) {
    for (const { name, load } of families) {
      const verify = await load();
      console.log(`${name}: ${folder}`);
      const rows: VerifyRow[] = [];
      for await (const row of verify(folder, device)) {
        console.log(line(row));
        rows.push(row);
      }
      const bad = rows.filter(({ pass }) => !pass).length;
      failed += bad;
      totals.push(`${name}: ${rows.length - bad} of ${rows.length} groups within tolerance`);
    }
  }
  console.log(`\n${totals.join('\n')}`);
  return failed > 0 ? 1 : 0;
}

function line({ pass, case: name, tensor, error, tolerance, measure }: VerifyRow): string {
  const verdict = pass ? 'ok  ' : 'FAIL';
  const figures = `${error.toExponential(1)} of ${tolerance.toExponential(1)} ${measure}`;
  return `  ${verdict} ${name.padEnd(14)} ${figures.padEnd(36)} ${tensor}`;
}
