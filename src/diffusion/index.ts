export { SchedulerConfig } from './config.js';
export * from './sampling.js';
export * from './schedule.js';
export { SOLVERS, type Solver, type SolverName, solverOf } from './solvers.js';
export * from './training.js';
