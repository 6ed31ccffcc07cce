/** How much of a caption a pipeline's text encoder reads. */
import { join } from 'node:path';
import type { CaptionLimit } from '../data/caption-length.js';
import { PromptTokenizer } from '../models/t5/index.js';
import { allTasks, type Task, taggedPrompt } from '../tasks/index.js';
import { readSettings } from './folder.js';

/** Counts by the tokenizer, with the tag of the task that takes the most. */
export function captionLimit(
  tokenizer: PromptTokenizer,
  promptLength: number,
  ownTasks: readonly Task[] = [],
): CaptionLimit {
  const count = (text: string): number => {
    // room for all: a character has four bytes at most, each of which may be a token
    const { mask } = tokenizer.encode(text, 4 * text.length + 2);
    return mask.indexOf(0) < 0 ? mask.length : mask.indexOf(0);
  };
  const tags = allTasks(ownTasks).map((task) => taggedPrompt('', task));
  // the closing token is counted with the caption
  const tagged = Math.max(...tags.map((tag) => count(tag) - 1));
  return { tokens: promptLength, count: (caption) => count(caption) + tagged };
}

/** The same of a pipeline folder. @throws InputError if it is none */
export function captionLimitOf(folder: string, ownTasks: readonly Task[] = []): CaptionLimit {
  const { promptLength } = readSettings(folder);
  return captionLimit(PromptTokenizer.open(join(folder, 'tokenizer')), promptLength, ownTasks);
}
