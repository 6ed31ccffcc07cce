/**
 * A 5x7 dot-matrix font for labels, so that sheets look the same where no fonts are installed.
 */

/**
 * Characters 32 to 126, seven rows each (eight if it hangs below the line), a base-32 digit a
 * row, the leftmost dot worth 16.
 */
const GLYPHS =
  '0000000 4444404 aaa0000 aavavaa 4fke5u4 op248j3 cik8lid 4480000 2488842 8422248 04lel40 044v440 ' +
  '0000648 000v000 00000cc 01248g0 ehjlphe 4c4444e eh1248v v2421he 26aiv22 vgu11he 68guhhe v124888 ' +
  'ehhehhe ehhf12c 0cc0cc0 0cc0c48 248g842 00v0v00 8421248 eh12404 eh1dlle ehhhvhh uhhuhhu ehggghe ' +
  'sihhhis vgguggv vgguggg ehgnhhf hhhvhhh e44444e 72222ic hikokih ggggggv hrllhhh hhpljhh ehhhhhe ' +
  'uhhuggg ehhhlid uhhukih fgge11u v444444 hhhhhhe hhhhha4 hhhllla hha4ahh hhha444 v1248gv e88888e ' +
  '0g84210 e22222e 4ah0000 000000v 8420000 00e1fhf ggmphhu 00egghe 11djhhf 00ehvge 698s888 00fhhf1e ' +
  'ggmphhh 40c444e 206222ic ggikoki c44444e 00qllhh 00mphhh 00ehhhe 00uhhugg 00fhhf11 00mpggg 00ege1u ' +
  '88s8896 00hhhjd 00hhha4 00hhlla 00ha4ah 00hhhf1e 00v248v 2448442 4444444 8442448 008l200';

const ROWS = GLYPHS.split(' ').map((glyph) =>
  [...glyph].map((digit) => Number.parseInt(digit, 32)),
);

/** Pixels from one character to the next, and from one line to the next, at scale 1. */
export const CHARACTER_WIDTH = 6;
export const LINE_HEIGHT = 10;

/** Calls `dot(x, y)` for each dark pixel of `text`; characters that the font lacks are drawn as "?". */
export function eachDot(text: string, dot: (x: number, y: number) => void): void {
  [...text].forEach((character, position) => {
    const glyph = ROWS[character.codePointAt(0)! - 32] ?? ROWS['?'.charCodeAt(0) - 32]!;
    glyph.forEach((row, y) => {
      for (let x = 0; x < 5; x++) {
        if (row & (16 >> x)) {
          dot(position * CHARACTER_WIDTH + x, y);
        }
      }
    });
  });
}
