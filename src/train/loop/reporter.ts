/** Where training reports its progress; the command line shows it. */
export interface Reporter {
  /**
   * Begins a phase, within the one that has not ended, if there is one.
   * @param unit  plural name of what is counted (default: `steps`); '': a share is shown
   */
  start(label: string, total: number, unit?: string): void;
  /** @param limit  for a phase with a time limit: the limit, and the share of it that has passed */
  update(done: number, note: string, limit?: { seconds: number; share: number }): void;
  log(text: string): void;
  /** Ends the innermost phase; the one around it goes on. */
  end(): void;
  /**
   * in processes that report nothing themselves: what was logged since the last call, for the first
   * process
   */
  take?(): string[];
}
