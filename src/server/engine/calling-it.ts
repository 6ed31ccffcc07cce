/** People know a file by the name that they gave it, or by the field that holds it. */

/** Calls `work`, whose errors then call the file at `path` by `name`. */
export async function callingIt<T>(path: string, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replaceAll(path, name);
    throw error;
  }
}
