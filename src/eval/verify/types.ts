/** A row printed by `mfm verify`, one per tensor or group of tensors of a fixture case. */
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

/**
 * Runs the known fixtures in one folder on a device, as named by `resolveDevice`; yields a row per tensor
 * or group of tensors.
 */
export type Verifier = (
  folder: string,
  device: string,
) => Iterable<VerifyRow> | AsyncIterable<VerifyRow>;
