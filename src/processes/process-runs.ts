/** Is a process of this machine running? */

/** Is there a process with this id, of any user? */
export function processRuns(pid: number): boolean {
  try {
    process.kill(pid, 0); // signal 0 only checks for existence
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // another user's process
  }
}
