/** What `mfm verify` prints: one row per tensor group of a fixture case. */
export interface VerifyRow {
  /** fixture case, e.g. `tx_a` */
  case: string;
  /** tensor or group of tensors, e.g. `output.sample` or `grad.* (48)` */
  tensor: string;
  /** the worst error found, in the units of `measure` */
  error: number;
  /** largest error allowed, from the fixture's README or side-car */
  tolerance: number;
  /** e.g. `max abs / std`, `max abs`, `relative`, `exact` */
  measure: string;
  pass: boolean;
}

/** Runs the fixtures of one folder that it knows; yields a row per tensor group. */
export type Verifier = (folder: string) => Iterable<VerifyRow> | AsyncIterable<VerifyRow>;
