export { SchedulerConfig } from './config.js';
export * from './sampling.js';
export * from './schedule.js';
export * from './training.js';
