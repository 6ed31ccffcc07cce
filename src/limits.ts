/** Limits on requests: anything above them is refused, however much memory there is. */

/** Frames in a result: about half a day of video. */
export const MOST_FRAMES = 1_000_000;
/** Sampling steps per result; models are trained with a thousand noise levels. */
export const MOST_STEPS = 10_000;
/** Results per command. */
export const MOST_RESULTS = 100_000;
/** Longest side of a result in pixels: the maximum of common formats (WebP, H.264). */
export const MOST_SIDE = 16384;
/** How far a channel may differ from a mask's colour: with 255, every pixel would have that colour. */
export const MOST_TOLERANCE = 254;

/** Limits for network configurations: each about ten times the largest published value or more. */
export const MOST_LAYERS = 1024;
export const MOST_WIDTH = 2 ** 18;
export const MOST_HEADS = 4096;
export const MOST_VOCABULARY = 2 ** 24;
