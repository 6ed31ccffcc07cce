/** Prompts as the text encoder reads them. */
import type { Sample } from '../data/sources/sample.js';
import type { Task } from './task.js';

/** `prompt #task: text-to-video`. Source: reference implementation, its command line script */
export function taggedPrompt(prompt: string, task: Pick<Task, 'promptTag'>): string {
  return `${prompt} #task: ${task.promptTag}`.trim();
}

/** What is said of a sample. */
export type SampleWords = Pick<Sample, 'caption'> & { edit: { instruction: string } | null };

/** What of a sample a task is prompted with in training. */
export function promptFor({ prompt }: Pick<Task, 'prompt'>, sample: SampleWords): string {
  return prompt === 'instruction' ? sample.edit!.instruction : sample.caption;
}
