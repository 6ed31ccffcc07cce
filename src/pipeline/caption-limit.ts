/** How much of a caption a pipeline's text encoder reads. */
import { join } from 'node:path';
import type { CaptionLimit } from '../data/caption-length.js';
import { PromptTokenizer } from '../models/t5/index.js';
import { allTasks, type Task, taggedPrompt } from '../tasks/index.js';
import { readSettings } from './folder.js';

/** Counts tokens with the tokenizer, including the longest of the tasks' tags. */
export function captionLimit(
  tokenizer: PromptTokenizer,
  promptLength: number,
  ownTasks: readonly Task[] = [],
): CaptionLimit {
  const count = (text: string): number => {
    // room for everything: a character has at most four bytes, and each may be a token
    const { mask } = tokenizer.encode(text, 4 * text.length + 2);
    return mask.indexOf(0) < 0 ? mask.length : mask.indexOf(0);
  };
  const tags = allTasks(ownTasks).map((task) => taggedPrompt('', task));
  // less the closing token, which is already counted with the caption
  const tagged = Math.max(...tags.map((tag) => count(tag) - 1));
  return { tokens: promptLength, count: (caption) => count(caption) + tagged };
}

/** The caption limit of a pipeline folder. @throws InputError if it is not a pipeline folder */
export function captionLimitOf(folder: string, ownTasks: readonly Task[] = []): CaptionLimit {
  const { promptLength } = readSettings(folder);
  return captionLimit(PromptTokenizer.open(join(folder, 'tokenizer')), promptLength, ownTasks);
}
