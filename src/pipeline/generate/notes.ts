/** What was fitted, in lines for people. */
import { InputError } from '../../errors.js';

/** Is given a sentence that a user should read. */
export type OnNote = (sentence: string) => void;

/** What was fitted, a line each; with `strict` the first one is an error. */
export class Fitting {
  private readonly said = new Set<string>();

  constructor(
    private readonly strict: boolean,
    private readonly onNote: OnNote,
  ) {}

  /** @throws InputError with `strict` */
  fitted(text: string): void {
    if (this.strict) throw new InputError(`${text}; \`strict\` refuses to fit anything`);
    this.note(text);
  }

  /** The same of many windows is said once. */
  fittedOnce(text: string): void {
    if (!this.said.has(text)) this.fitted(text);
  }

  note(text: string): void {
    this.said.add(text);
    this.onNote(text);
  }

  /** What files say of themselves. */
  notes(texts: readonly string[]): void {
    for (const text of texts) this.note(text);
  }
}
