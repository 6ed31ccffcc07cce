/** User-defined tasks, in a file that the command line names. */
import { InputError } from '../../errors.js';
import { newestPipeline, resolvePipeline } from '../../pipeline/find.js';
import { readSettings } from '../../pipeline/index.js';
import { allTasks, loadTasks, type Task, taskOf } from '../../tasks/index.js';

/**
 * The task with this name, among mfm's own and those of the user's file.
 *
 * @param pipeline   the pipeline to use, if it is named
 * @throws InputError if there is no such task; if the pipeline was trained on it, the message asks for
 *         the file that declares it
 */
export async function chosenTask(
  id: string,
  { tasks, pipeline }: { tasks?: string; pipeline?: string },
): Promise<Task> {
  const own = tasks === undefined ? [] : (await loadTasks(tasks)).tasks;
  const isThere = allTasks(own).some((task) => task.id === id);
  if (!isThere) {
    const folder = trainedOn(id, pipeline);
    if (folder) throw new InputError(`${folder}: ${withoutFile(id)} with --tasks FILE`);
  }
  return taskOf(id, own);
}

/** The beginning of a sentence about a task that a pipeline was trained on. */
export const withoutFile = (id: string): string =>
  `was trained on ${id}, a task that is not part of mfm; name the file that declares it`;

/** The folder of the pipeline to use, if it was trained on the task; else null. */
function trainedOn(id: string, named?: string): string | null {
  try {
    const folder = named ? resolvePipeline(named) : newestPipeline(() => {});
    return readSettings(folder).tasks?.includes(id) ? folder : null;
  } catch (error) {
    if (error instanceof InputError) return null; // report the unknown task instead
    throw error;
  }
}
