/** Estimates the depth of prepared clips: a 16-bit PNG for a picture, a lossless gray video for a clip. */
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Picture } from '../../media/codecs/video.js';
import { createDepthWriter } from '../../media/depth/write-depth.js';
import type { Frames } from '../../media/frames.js';
import { openMedia } from '../measure/open-item.js';

/** Relative depth of every frame, [F, H, W], larger is nearer. */
export type DepthEstimator = (frames: Frames) => Float32Array;

/** How many frames are estimated at a time. */
const AT_ONCE = 8;

/**
 * Estimates and writes the depth of the picture or clip at `path`.
 *
 * @param stem    path of the depth file without its extension, `.png` or `.mkv`
 * @returns       its path; null if everything is equally far away, which is not usable as depth
 */
export async function writeDepth(
  path: string,
  stem: string,
  estimate: DepthEstimator,
): Promise<string | null> {
  const opened = await openMedia(path, 'either');
  const isClip = opened.kind === 'clip';
  const target = `${stem}.${isClip ? 'mkv' : 'png'}`;
  // complete already, if an earlier preparation was stopped just after this step
  if (isClip && existsSync(target)) return target;
  const writer = await createDepthWriter(target, { fps: isClip ? opened.fps : null });
  try {
    const pictures = isClip ? opened.frames(Number.MAX_SAFE_INTEGER) : [opened.picture];
    for await (const frames of inGroups(pictures)) {
      await setImmediate(); // estimating blocks the event loop: let Ctrl-C be handled
      await writer.write(estimate(frames), frames);
    }
    const { least, most } = writer.written;
    if (least === most) return null;
    await writer.finish();
    return target;
  } finally {
    await writer.close();
  }
}

/** Groups the frames of a clip, `AT_ONCE` at a time. */
async function* inGroups(
  pictures: AsyncIterable<Picture> | Iterable<Picture>,
): AsyncGenerator<Frames> {
  let group: Picture[] = [];
  const joined = (): Frames => {
    const { width, height, data: first } = group[0]!;
    const data = new Uint8Array(first.length * group.length);
    group.forEach(({ data: one }, i) => {
      data.set(one, i * first.length);
    });
    return { width, height, numFrames: group.length, data };
  };
  for await (const picture of pictures) {
    group.push(picture);
    if (group.length === AT_ONCE) {
      yield joined();
      group = [];
    }
  }
  if (group.length > 0) yield joined();
}
