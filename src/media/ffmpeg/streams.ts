/** Finds the streams of a file in the text that ffmpeg prints about it, and selects those to read. */

export interface Stream {
  /** its number in the file */
  index: number;
  /** `  Stream #0:1(und): Video: h264 (High), yuv420p, 96x64, 16 fps (default)` */
  line: string;
  /** the lines below it: metadata, side data */
  details: string;
}

/** The streams of the first input, without those of outputs, which ffmpeg prints after them. */
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

/** Video streams in the order of the file, without cover art and thumbnails. */
export function pictureStreams(streams: readonly Stream[]): Stream[] {
  return streams.filter(
    ({ line }) => / Video: /.test(line) && !/\((attached pic|timed thumbnails)\)/.test(line),
  );
}

/** The audio stream that players select; null if there is none. */
export function soundStream(streams: readonly Stream[]): Stream | null {
  return defaultOf(streams.filter(({ line }) => / Audio: /.test(line)));
}

/** Codecs of single pictures: such a stream beside another video stream is probably cover art. */
const PICTURES = / Video: (png|mjpeg|bmp|gif|tiff|webp|jpeg2000|targa)\b/;

/** Prefers moving pictures to cover art, then the stream marked as default, then the first. */
export function defaultOf(streams: readonly Stream[]): Stream | null {
  const rank = ({ line }: Stream): number =>
    (PICTURES.test(line) ? 2 : 0) + (/\(default\)/.test(line) ? 0 : 1);
  return streams.reduce<Stream | null>(
    (best, stream) => (best === null || rank(stream) < rank(best) ? stream : best),
    null,
  );
}
