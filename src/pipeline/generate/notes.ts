/** Notes for the user about inputs that had to be fitted. */
import { InputError } from '../../errors.js';

/** Receives a sentence that the user should read. */
export type OnNote = (sentence: string) => void;

/** Reports whatever had to be fitted, one sentence each; with `strict` the first one is an error. */
export class Fitting {
  private readonly said = new Set<string>();

  constructor(
    private readonly strict: boolean,
    private readonly onNote: OnNote,
  ) {}

  /** Reports that something was fitted. @throws InputError with `strict` */
  fitted(text: string): void {
    if (this.strict) throw new InputError(`${text}; \`strict\` refuses to fit anything`);
    this.note(text);
  }

  /** Like `fitted`, but the same sentence from several windows is reported once. */
  fittedOnce(text: string): void {
    if (!this.said.has(text)) this.fitted(text);
  }

  note(text: string): void {
    this.said.add(text);
    this.onNote(text);
  }

  /** Passes on notes that were found while reading files. */
  notes(texts: readonly string[]): void {
    for (const text of texts) this.note(text);
  }
}
