/** Where training says how it goes. */

/** Where a loop says how it goes; the command line shows it. */
export interface Reporter {
  /** @param unit  plural name of what is counted (default `steps`) */
  start(label: string, total: number, unit?: string): void;
  /** @param limit  where a part ends with its time: that, and the share of it that has passed */
  update(done: number, note: string, limit?: { seconds: number; share: number }): void;
  log(text: string): void;
  end(): void;
  /** what was logged where nobody sees it, since the last call: for the first process to say */
  take?(): string[];
}
