/** Tasks of the user's own, in a file that the command line names. */
import { InputError } from '../../errors.js';
import { newestPipeline, resolvePipeline } from '../../pipeline/find.js';
import { readSettings } from '../../pipeline/index.js';
import { allTasks, loadTasks, type Task, taskOf } from '../../tasks/index.js';

/**
 * The task of a name, among those of mfm and of a file.
 *
 * @param pipeline   the one that is used, if it is named
 * @throws InputError if there is no such task; it says so where the pipeline knows it without its file
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

/** The pipeline that would be used, if it was trained on the task. */
function trainedOn(id: string, named?: string): string | null {
  try {
    const folder = named ? resolvePipeline(named) : newestPipeline(() => {});
    return readSettings(folder).tasks?.includes(id) ? folder : null;
  } catch (error) {
    if (error instanceof InputError) return null; // the name of the task is what is wrong
    throw error;
  }
}
