/** Prompts as the text encoder reads them. */
import type { Task } from './task.js';

/** `prompt #task: text-to-video`. Source: reference implementation, its command line script */
export function taggedPrompt(prompt: string, task: Pick<Task, 'promptTag'>): string {
  return `${prompt} #task: ${task.promptTag}`.trim();
}
