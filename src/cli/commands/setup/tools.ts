/** The programs that setup calls: compilers, CMake, apt. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { JobError } from '../../../errors.js';

/** Can the shell find it? */
export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v "${name}"`], { stdio: 'ignore' }).status === 0;
}

/**
 * Runs a program to its end. What it prints is shown on stderr: stdout is for results.
 *
 * @throws JobError if it does not exist or fails
 */
export function runTool([program = '', ...args]: readonly string[]): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2] });
  if (error) throw new JobError(`${program}: can't be run (${error.message}); install it first`);
  if (status !== 0) {
    throw new JobError(`\`${[program, ...args].join(' ')}\` failed; its own message is above`);
  }
}

/** Reports on stderr what setup is doing. */
export function say(text: string): void {
  console.error(`setup: ${text}`);
}

/** Can system packages be installed without asking for a password? */
export function canInstall(): boolean {
  return (
    existsSync('/etc/debian_version') &&
    hasCommand('apt-get') &&
    (asRoot().length === 0 || spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0)
  );
}

/** Seconds that another apt may take, such as the one that looks for updates after a start. */
const PATIENCE = ['-o', 'DPkg::Lock::Timeout=300'];

/** Installs Debian packages. @throws JobError if that fails */
export function aptInstall(packages: readonly string[]): void {
  say(`installing ${packages.join(', ')} with apt-get`);
  runTool([...asRoot(), 'apt-get', ...PATIENCE, 'update', '-qq']);
  runTool([
    ...asRoot(),
    ...['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...PATIENCE, 'install', '-y', '-qq'],
    ...['--no-install-recommends', ...packages],
  ]);
}

/** The prefix of a command that only root may run. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? [] : ['sudo', '-n'];
}
