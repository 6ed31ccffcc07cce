/**
 * How well `mfm data check` uses the processors: makes small clips, checks them, and reports the
 * share of all processors' time that it and its ffmpeg processes used, including the program's
 * start.
 *
 *     node --import tsx bench/data-check.ts [--clips 1000]
 */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fromRoot } from '../src/files/package-root.js';
import { findFfmpeg } from '../src/media/ffmpeg/ffmpeg.js';

const { values } = parseArgs({ options: { clips: { type: 'string', default: '1000' } } });
const clips = Number(values.clips);
const program = fromRoot('mfm');
const folder = mkdtempSync(join(tmpdir(), 'mfm-bench-'));
try {
  makeClips();
  const { wall, cpu, idle } = await timed([program, 'data', 'check', folder]);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  console.log(
    `${clips} clips in ${wall.toFixed(1)} s, ${(clips / wall).toFixed(1)} per second; ` +
      `${percent(cpu / (wall * availableParallelism()))} of ${availableParallelism()} processors, ` +
      `${percent(cpu / (cpu + idle))} of the time not used by other programs`,
  );
} finally {
  rmSync(folder, { recursive: true });
}

/** Encodes a single video and cuts it into clips without decoding it again. */
function makeClips(): void {
  const film = 'testsrc2=s=192x128:r=24,noise=alls=20:allf=t,hue=h=20*t';
  const seconds = clips;
  // each second is a clip of 24 frames that starts with a key frame
  execFileSync(findFfmpeg(), [
    ...['-v', 'error', '-f', 'lavfi', '-i', film, '-t', String(seconds), '-c:v', 'mpeg4'],
    ...['-q:v', '4', '-g', '24', '-f', 'segment', '-segment_time', '1'],
    join(folder, '%05d.mp4'),
  ]);
  for (let i = 0; i < clips; i++) {
    writeFileSync(join(folder, `${String(i).padStart(5, '0')}.txt`), `clip number ${i}`);
  }
}

/** Seconds of a command: wall-clock, CPU time of all its processes, idle time of all processors. */
async function timed(command: string[]) {
  const report = join(folder, '.times');
  // by the shell's `times`, since Node.js does not report the CPU time of grandchildren
  const script = `"$@" > /dev/null; times > "${report}"`;
  const idleMs = () => cpus().reduce((sum, { times }) => sum + times.idle, 0);
  const [start, idleBefore] = [process.hrtime.bigint(), idleMs()];
  const child = spawn('sh', ['-c', script, 'sh', ...command], { stdio: 'inherit' });
  await new Promise((resolve) => child.on('exit', resolve));
  const wall = Number(process.hrtime.bigint() - start) / 1e9;
  const idle = (idleMs() - idleBefore) / 1000;
  const children = readFileSync(report, 'utf8').trim().split('\n').at(-1)!;
  const parts = [...children.matchAll(/(\d+)m([\d.]+)s/g)];
  const cpu = parts.reduce((sum, [, m, s]) => sum + Number(m) * 60 + Number(s), 0);
  return { wall, cpu, idle };
}
