/** Prompts as the text encoder reads them. */
import type { Sample } from '../data/sources/sample.js';
import type { Task } from './task.js';

/** `prompt #task: text-to-video`. Source: reference implementation, its command line script */
export function taggedPrompt(prompt: string, task: Pick<Task, 'promptTag'>): string {
  return `${prompt} #task: ${task.promptTag}`.trim();
}

/** The texts that come with a sample. */
export type SampleWords = Pick<Sample, 'caption'> & { edit: { instruction: string } | null };

/** The prompt for a sample in training: its caption, or its edit's instruction. */
export function promptFor({ prompt }: Pick<Task, 'prompt'>, sample: SampleWords): string {
  return prompt === 'instruction' ? sample.edit!.instruction : sample.caption;
}
