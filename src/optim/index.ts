export * from './adamw.js';
export * from './clip.js';
export * from './ema.js';
export * from './muon.js';
export * from './optimizer.js';
export type { Schedule } from './schedules.js';
export * as schedules from './schedules.js';
