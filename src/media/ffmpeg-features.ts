/** Which encoders, decoders and filters the ffmpeg found has: builds differ. */
import { findFfmpeg, startFfmpeg } from './ffmpeg.js';

/** Names, asked once for each program. */
export type FeatureKind = 'encoders' | 'decoders' | 'filters';

const known = new Map<string, Promise<Set<string>>>();

export function ffmpegFeatures(kind: FeatureKind): Promise<Set<string>> {
  const key = `${kind} ${findFfmpeg()}`;
  let features = known.get(key);
  if (features === undefined) {
    features = list(kind);
    known.set(key, features);
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
  await done;
  // " V....D libx264   libx264 H.264 / AVC …", " .SC zscale   V->V   Apply resizing …"
  return new Set([...text.matchAll(/^ [A-Z.]{2,6} (\S+)/gm)].map((match) => match[1]!));
}
