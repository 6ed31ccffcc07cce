/** The package's own entry, `mfm`. */
export {
  InputError,
  isAbort,
  JobError,
  MfmError,
  OperatorError,
  ShapeError,
} from './errors.js';
export * from './pipeline/index.js';
