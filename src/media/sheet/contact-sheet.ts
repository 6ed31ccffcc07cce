/**
 * Contact sheets: rows of labelled pictures in one PNG, to inspect a model's results.
 */
import { InputError } from '../../errors.js';
import { Tensor } from '../../tensor/index.js';
import { writeImage } from '../codecs/write.js';
import { type Frames, type Size, sliceFrames } from '../frames.js';
import { resample } from '../pixels/resample.js';
import { tensorToFrames } from '../pixels/tensors.js';
import { CHARACTER_WIDTH, eachDot, LINE_HEIGHT } from './font.js';

export interface SheetRow {
  label?: string;
  /** pictures or clips: bytes, or tensors [1, 3, F, H, W] in -1..1 */
  images: (Frames | Tensor)[];
}

export interface SheetOptions {
  /** headings over the images of the first row */
  columns?: string[];
  /** how many frames of a clip are shown, evenly spread, first and last among them */
  framesPerClip?: number;
  /**
   * integer factor by which the tallest image is enlarged;
   * smaller ones are enlarged to nearly its size
   */
  scale?: number;
}

const TEXT_SCALE = 2;
const MARGIN = 8;
/** between the frames of one clip, and between images */
const FRAME_GAP = 2;
const IMAGE_GAP = 10;
const PAPER = 255;
const INK = 32;

/**
 * Draws rows of images and writes them as one picture; pixels are enlarged without smoothing.
 *
 * @throws InputError if there is nothing to draw, and the errors of `writeImage`
 */
export async function contactSheet(
  rows: SheetRow[],
  path: string,
  options: SheetOptions = {},
): Promise<void> {
  await writeImage(path, drawContactSheet(rows, options));
}

/** The sheet as one frame. */
export function drawContactSheet(
  rows: SheetRow[],
  { columns = [], framesPerClip = 5, scale }: SheetOptions = {},
): Frames {
  const images = rows.map((row) => row.images.map(toFrames));
  const highest = Math.max(0, ...images.flat().map((image) => image.height));
  if (highest === 0) {
    throw new InputError('contactSheet: needs at least one image, got none');
  }
  const widest = Math.max(...images.flat().map((image) => image.width));
  const factor = scale ?? Math.max(1, Math.floor(128 / highest));
  const cell = { width: widest * factor, height: highest * factor };
  const strips = images.map((row) => row.map((image) => toStrip(image, cell, framesPerClip)));

  // lay out from top to bottom: headings, then for each row its label and its images
  const textHeight = LINE_HEIGHT * TEXT_SCALE + 4;
  const drawings: ((sheet: Frames) => void)[] = [];
  let width = 0;
  let y = MARGIN;
  const write = (text: string, x: number, top: number) => {
    width = Math.max(width, x + text.length * CHARACTER_WIDTH * TEXT_SCALE);
    drawings.push((sheet) => drawText(sheet, text, x, top));
  };
  const headingTop = y;
  y += columns.length > 0 ? textHeight : 0;
  strips.forEach((strip, i) => {
    const label = rows[i]!.label;
    if (label !== undefined) {
      write(label, MARGIN, y);
      y += textHeight;
    }
    let x = MARGIN;
    strip.forEach((image, column) => {
      const [left, top] = [x, y];
      drawings.push((sheet) => paste(sheet, image, left, top));
      const heading = i === 0 ? columns[column] : undefined;
      if (heading !== undefined) {
        write(heading, left, headingTop);
      }
      x += image.width + IMAGE_GAP;
      width = Math.max(width, x - IMAGE_GAP);
    });
    y += Math.max(0, ...strip.map((image) => image.height)) + IMAGE_GAP;
  });

  width += MARGIN;
  const sheet = blank(width, y - IMAGE_GAP + MARGIN);
  for (const draw of drawings) {
    draw(sheet);
  }
  return sheet;
}

function toFrames(image: Frames | Tensor): Frames {
  return image instanceof Tensor ? tensorToFrames(image) : image;
}

/** Some frames of a clip side by side, enlarged. */
function toStrip(image: Frames, cell: Size, framesPerClip: number): Frames {
  const fits = Math.min(cell.height / image.height, cell.width / image.width);
  const factor = Math.max(1, Math.floor(fits));
  const size = { width: image.width * factor, height: image.height * factor };
  const shown = Math.min(image.numFrames, Math.max(1, framesPerClip));
  const strip = blank(shown * (size.width + FRAME_GAP) - FRAME_GAP, size.height);
  for (let i = 0; i < shown; i++) {
    const at = shown === 1 ? 0 : Math.round((i * (image.numFrames - 1)) / (shown - 1));
    const { width, height, data } = sliceFrames(image, at, at + 1);
    const enlarged = resample(data, { count: 1, height, width, channels: 3 }, size, 'nearest');
    paste(strip, { ...size, numFrames: 1, data: enlarged }, i * (size.width + FRAME_GAP), 0);
  }
  return strip;
}

function blank(width: number, height: number): Frames {
  return { width, height, numFrames: 1, data: new Uint8Array(width * height * 3).fill(PAPER) };
}

function paste(sheet: Frames, image: Frames, left: number, top: number): void {
  for (let y = 0; y < image.height; y++) {
    const row = image.data.subarray(y * image.width * 3, (y + 1) * image.width * 3);
    sheet.data.set(row, ((top + y) * sheet.width + left) * 3);
  }
}

function drawText(sheet: Frames, text: string, left: number, top: number): void {
  eachDot(text, (x, y) => {
    for (let dy = 0; dy < TEXT_SCALE; dy++) {
      const row = top + y * TEXT_SCALE + dy;
      const start = (row * sheet.width + left + x * TEXT_SCALE) * 3;
      sheet.data.fill(INK, start, start + TEXT_SCALE * 3);
    }
  });
}
