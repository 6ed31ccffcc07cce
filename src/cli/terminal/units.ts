/** Large numbers in readable form. */

/** `12.0 M`, `2.03 G`: three significant digits */
export const count = (value: number): string => scaled(value, ['', 'k', 'M', 'G', 'T', 'P', 'E']);

/** `69.0 PFLOP` */
export const flops = (value: number): string =>
  `${scaled(value, ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z'])}FLOP`;

function scaled(value: number, prefixes: readonly string[]): string {
  const power = value < 1 ? 0 : Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3));
  return `${digits(value / 1000 ** power)} ${prefixes[power]}`.trimEnd() + (power === 0 ? ' ' : '');
}

/** Three significant digits, without an exponent. */
export function digits(value: number): string {
  if (value === 0) return '0';
  const places = 2 - Math.floor(Math.log10(Math.abs(value)));
  return value.toFixed(Math.min(6, Math.max(0, places)));
}
