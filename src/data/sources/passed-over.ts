/** Counts the files of a data set that do not become items, so that they can be reported. */
import { endingOf } from './kinds.js';

/** How many files and kinds are named; the others are only counted. */
const SHOWN = 3;
const SHOWN_KINDS = 8;

export class PassedOver {
  private total = 0;
  private readonly first: string[] = [];
  private readonly kinds = new Map<string, number>();
  private readonly remarks = new Map<string, string[]>();

  /** @param kind  default: the extension */
  add(name: string, kind = endingOf(name) || 'without an ending'): void {
    this.total++;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
    if (this.first.length < SHOWN) this.first.push(name);
  }

  /** Adds a remark about a file; the same remark about several files is reported once. */
  remark(path: string, text: string): void {
    const paths = this.remarks.get(text) ?? [];
    this.remarks.set(text, paths);
    paths.push(path);
  }

  /** The report on the data set `path`, as sentences. */
  sentences(path: string): string[] {
    const remarks = [...this.remarks].map(([text, paths]) => {
      const more = paths.length > 1 ? ` (and ${paths.length - 1} more)` : '';
      return `${paths[0]}: ${text}${more}`;
    });
    if (this.total === 0) return remarks;
    const kinds = [...this.kinds].sort(([, a], [, b]) => b - a);
    const counts = kinds.slice(0, SHOWN_KINDS).map(([kind, count]) => `${kind} ${count}`);
    if (kinds.length > counts.length) counts.push(`${kinds.length - counts.length} more kinds`);
    const names = `${this.first.join(', ')}${this.total > this.first.length ? ', …' : ''}`;
    const files = this.total === 1 ? '1 file is' : `${this.total} files are`;
    return [...remarks, `${path}: ${files} passed over: ${counts.join(', ')} (${names})`];
  }
}
