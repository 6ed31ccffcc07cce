/** Which encoders, decoders and filters the ffmpeg found has: builds differ. */
import { JobError } from '../../errors.js';
import { findFfmpeg, firstComplaint, startFfmpeg } from './ffmpeg.js';

/** Lists of names, queried once per program. */
export type FeatureKind = 'encoders' | 'decoders' | 'filters';

const known = new Map<string, Promise<Set<string>>>();

/** @throws JobError if ffmpeg fails to list them; the next call tries again */
export function ffmpegFeatures(kind: FeatureKind): Promise<Set<string>> {
  const key = `${kind} ${findFfmpeg()}`;
  let features = known.get(key);
  if (features === undefined) {
    features = list(kind);
    known.set(key, features);
    features.catch(() => known.delete(key));
  }
  return features;
}

async function list(kind: FeatureKind): Promise<Set<string>> {
  const { child, done } = startFfmpeg(['-v', 'error', `-${kind}`]);
  let text = '';
  child.stdout!.setEncoding('utf8');
  child.stdout!.on('data', (part: string) => {
    text += part;
  });
  const { code, stderr } = await done;
  if (code !== 0) {
    const reason = firstComplaint(stderr) || `it exited with code ${code}`;
    throw new JobError(`${findFfmpeg()}: does not list its ${kind} (${reason}); run again`);
  }
  // " V....D libx264   libx264 H.264 / AVC …", " .SC zscale   V->V   Apply resizing …"
  return new Set([...text.matchAll(/^ [A-Z.]{2,6} (\S+)/gm)].map((match) => match[1]!));
}
