/** By how much a picture grows on each side, as a share of its width or height. */
export type Side = 'left' | 'right' | 'top' | 'bottom';
export type Margins = Readonly<Record<Side, number>>;

export const SIDES: readonly Side[] = ['left', 'top', 'right', 'bottom'];
export const NO_MARGINS: Margins = { left: 0, right: 0, top: 0, bottom: 0 };

/** Most that a picture can grow on one side. */
export const MOST = 1;

/** In steps of a hundredth, within the limits. */
export const withMargin = (margins: Margins, side: Side, share: number): Margins => ({
  ...margins,
  [side]: Math.round(Math.min(MOST, Math.max(0, share)) * 100) / 100,
});

export const hasMargins = (margins: Margins): boolean => SIDES.some((side) => margins[side] > 0);

/** As the field `expand` takes it: `left=0.25,top=0.5` */
export function expandText(margins: Margins): string {
  const written = SIDES.filter((side) => margins[side] > 0);
  return written.map((side) => `${side}=${margins[side].toFixed(2)}`).join(',');
}
