/** What a person has put together for a fine-tuning. */
import type { Media } from './draft.js';

export interface Captioned {
  media: Media;
  caption: string;
}

export interface FineTuneDraft {
  name: string;
  /** of the server's; empty: the files are learned from */
  folder: string;
  files: readonly Captioned[];
  /** as entered */
  steps: string;
  rank: string;
  /** empty: all that fit the material */
  task: string;
}

export const EMPTY_FINE_TUNE: FineTuneDraft = {
  name: '',
  folder: '',
  files: [],
  steps: '200',
  rank: '8',
  task: '',
};

/** Whether there is something to learn from, and all of it is on the server. */
export function isReady({ name, folder, files }: FineTuneDraft, stillSending: number): boolean {
  if (name.trim() === '') return false;
  if (folder) return true;
  return stillSending === 0 && files.length > 0 && files.every(({ caption }) => caption.trim());
}
