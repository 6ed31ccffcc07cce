/** What was fitted, in lines for people. */
import { InputError } from '../../errors.js';

/** What was fitted, a line each; with `strict` the first one is an error. */
export class Fitting {
  readonly notes: string[] = [];

  constructor(private readonly strict: boolean) {}

  /** @throws InputError with `strict` */
  fitted(text: string): void {
    if (this.strict) throw new InputError(`${text}; \`strict\` refuses to fit anything`);
    this.notes.push(text);
  }

  /** The same of many windows is said once. */
  fittedOnce(text: string): void {
    if (!this.notes.includes(text)) this.fitted(text);
  }

  note(text: string): void {
    this.notes.push(text);
  }
}
