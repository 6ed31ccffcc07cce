/** Progress of a result. */

/** The phases of making a result, in order: encode text, prepare conditions, denoise, decode. */
export type Phase = 'text' | 'condition' | 'steps' | 'frames';

/** Called when a phase begins (`done` is 0) and whenever a part of it is done. */
export type OnProgress = (phase: Phase, done: number, total: number) => void;
