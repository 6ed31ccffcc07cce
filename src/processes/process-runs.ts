/** Whether a process of this machine runs. */

/** Is there a process of this number, whoever's it is? */
export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // another user's
  }
}
