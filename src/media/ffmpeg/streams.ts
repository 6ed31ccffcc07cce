/** The streams of a file, from the text that ffmpeg prints about it, and which of them are read. */

export interface Stream {
  /** its number in the file */
  index: number;
  /** `  Stream #0:1(und): Video: h264 (High), yuv420p, 96x64, 16 fps (default)` */
  line: string;
  /** the lines below it: metadata, side data */
  details: string;
}

/** The streams of the first input; what ffmpeg prints of its outputs comes after them and is left out. */
export function parseStreams(text: string): Stream[] {
  const [input = ''] = text.split(/^(?:Stream mapping:|Output #0|Input #1)/m, 1);
  const streams: Stream[] = [];
  for (const line of input.split('\n')) {
    const index = /^\s*Stream #0:(\d+)/.exec(line)?.[1];
    if (index !== undefined) streams.push({ index: Number(index), line, details: '' });
    else if (streams.length > 0) streams.at(-1)!.details += `${line}\n`;
  }
  return streams;
}

/** Streams of pictures in the order of the file; covers and thumbnails are none. */
export function pictureStreams(streams: readonly Stream[]): Stream[] {
  return streams.filter(
    ({ line }) => / Video: /.test(line) && !/\((attached pic|timed thumbnails)\)/.test(line),
  );
}

/** The sound that players take; null if there is none. */
export function soundStream(streams: readonly Stream[]): Stream | null {
  return defaultOf(streams.filter(({ line }) => / Audio: /.test(line)));
}

/** Codecs of single pictures: a stream of them beside another one is a cover. */
const PICTURES = / Video: (png|mjpeg|bmp|gif|tiff|webp|jpeg2000|targa)\b/;

/** Moving pictures before covers, then the stream marked as default, then the first. */
export function defaultOf(streams: readonly Stream[]): Stream | null {
  const rank = ({ line }: Stream): number =>
    (PICTURES.test(line) ? 2 : 0) + (/\(default\)/.test(line) ? 0 : 1);
  return streams.reduce<Stream | null>(
    (best, stream) => (best === null || rank(stream) < rank(best) ? stream : best),
    null,
  );
}
