/** How far a result is. */

/** What a result is made in, in this order. */
export type Phase = 'text' | 'condition' | 'steps' | 'frames';

/** Called when a phase begins (0 done) and whenever a part of it is done. */
export type OnProgress = (phase: Phase, done: number, total: number) => void;
