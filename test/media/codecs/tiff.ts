/** Writes small TIFF files of any kind of samples. */

interface TiffPicture {
  width: number;
  height?: number;
  /** of each sample */
  bits?: number;
  samples?: number;
  /** 1 whole numbers, 2 signed, 3 floats, 6 complex */
  format?: number;
  /** 0 white is zero, 1 black is zero, 2 RGB, 5 CMYK, 6 YCbCr, 8 CIELAB, 32803 sensor */
  photometric?: number;
  /** what the samples beyond the colours are: 0 unsaid, 2 opacity */
  extra?: number[];
  /** further tags, of one 32-bit number */
  tags?: [tag: number, value: number][];
  data: ArrayBufferView;
}

/** Pictures one after another, little-endian, each in one strip. `big` writes BigTIFF. */
export function tiffOf(pictures: TiffPicture[], { big = false } = {}): Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  const put = (bytes: Buffer): number => {
    const at = size;
    const padded = Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8)]);
    chunks.push(padded);
    size += padded.length;
    return at;
  };
  const word = big ? 8 : 4;
  const number = (value: number, bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntLE(value, 0, Math.min(bytes, 6));
    return buffer;
  };
  put(Buffer.alloc(16));
  let link = chunks[0]!;
  let linkAt = big ? 8 : 4;
  for (const picture of pictures) {
    const { width, height = 1, bits = 8, samples = 1, format = 1, photometric = 1 } = picture;
    const { extra = [], tags = [], data } = picture;
    const strip = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const rows: [tag: number, type: 3 | 4, values: number[]][] = [
      [256, 4, [width]],
      [257, 4, [height]],
      [258, 3, new Array(samples).fill(bits)],
      [259, 3, [1]],
      [262, 3, [photometric]],
      [273, 4, [put(strip)]],
      [277, 3, [samples]],
      [278, 4, [height]],
      [279, 4, [strip.length]],
      [284, 3, [1]],
      [339, 3, new Array(samples).fill(format)],
      ...tags.map(([tag, value]): [number, 4, number[]] => [tag, 4, [value]]),
    ];
    if (extra.length > 0) rows.push([338, 3, extra]);
    const entries = rows
      .sort(([a], [b]) => a - b)
      .map(([tag, type, values]) => {
        const bytes = Buffer.concat(values.map((value) => number(value, type === 3 ? 2 : 4)));
        const place =
          bytes.length <= word
            ? Buffer.concat([bytes, Buffer.alloc(word - bytes.length)])
            : number(put(bytes), word);
        return Buffer.concat([number(tag, 2), number(type, 2), number(values.length, word), place]);
      });
    const directory = Buffer.concat([
      number(rows.length, big ? 8 : 2),
      ...entries,
      Buffer.alloc(word),
    ]);
    const linkHere = directory.length - word;
    number(put(directory), word).copy(link, linkAt);
    link = chunks.at(-1)!;
    linkAt = linkHere;
  }
  const head = chunks[0]!;
  head.write('II', 0, 'latin1');
  head.writeUInt16LE(big ? 43 : 42, 2);
  if (big) head.writeUInt16LE(8, 4);
  return Buffer.concat(chunks);
}
