/** The most that is asked for at once: above it nothing is begun, whatever memory there is. */

/** Frames of a result: half a day of film. */
export const MOST_FRAMES = 1_000_000;
/** Sampling steps of a result; what is trained has noise levels for a thousand. */
export const MOST_STEPS = 10_000;
/** Results of one command. */
export const MOST_RESULTS = 100_000;
/** Longest side of a result, pixels: the most that common formats hold (WebP, H.264). */
export const MOST_SIDE = 16384;

/** Limits of configurations of networks: each some ten times the largest that is published. */
export const MOST_LAYERS = 1024;
export const MOST_WIDTH = 2 ** 18;
export const MOST_HEADS = 4096;
export const MOST_VOCABULARY = 2 ** 24;
