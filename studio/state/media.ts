/** Pictures and clips that a request can refer to. */
import * as api from '../api/client.js';
import type { Job, MediaSource, Upload } from '../api/types.js';
import type { Media } from '../logic/draft.js';
import { attempt, say } from './messages.js';

/** Frames per second that a clip is shown at if it does not say. */
const USUAL_FPS = 8;

/** Sends a file to the server, which checks it. @throws ApiError if it cannot be used */
export async function uploadMedia(file: File): Promise<Media> {
  return mediaOfUpload(await api.upload(file, file.name));
}

/** Sends a file for a certain place, and says what is wrong with it; of a clip a picture is its first frame. */
export async function uploadAs(
  kind: 'image' | 'video' | 'depth',
  file: File,
): Promise<Media | null> {
  const media = await attempt(() => uploadMedia(file));
  if (media === null || kind !== 'image' || media.kind === 'image') return media;
  say(`${media.name} is a clip; its first frame is taken.`);
  return frameOf(media, 0);
}

export function mediaOfUpload(upload: Upload): Media {
  const { id, filename, width, height, num_frames: numFrames, fps, kind } = upload;
  const video = kind === 'video' || (numFrames !== null && numFrames > 1);
  return {
    source: { file_id: id },
    kind: video ? 'video' : 'image',
    name: filename,
    url: api.urls.file(id),
    thumbUrl: video ? api.urls.fileFrame(id, 0) : api.urls.file(id),
    still: null,
    animation: false,
    sound: upload.sound === true,
    frameUrl: video ? (frame) => api.urls.fileFrame(id, frame) : null,
    width: width ?? 1,
    height: height ?? 1,
    numFrames: numFrames ?? 1,
    fps: fps ?? USUAL_FPS,
  };
}

export function mediaOfJob(job: Job): Media {
  return {
    source: { video_id: job.id },
    kind: job.result,
    name: job.prompt || job.task,
    url: api.urls.result(job.id),
    thumbUrl: api.urls.variant(job.id, 'thumbnail'),
    still: null,
    animation: job.result === 'video' && job.content_type?.startsWith('image/') === true,
    sound: job.sound === true,
    frameUrl: null,
    width: job.width ?? 1,
    height: job.height ?? 1,
    numFrames: job.num_frames ?? 1,
    fps: job.fps ?? USUAL_FPS,
  };
}

/** What a request refers to; null if it is no longer on the server. @throws ApiError if that cannot be said */
export async function mediaOfSource(source: MediaSource): Promise<Media | null> {
  try {
    const media =
      'file_id' in source
        ? mediaOfUpload(await api.file(source.file_id))
        : mediaOfJob(await api.job(source.video_id));
    return source.frame === undefined ? media : frameOf(media, source.frame);
  } catch (cause) {
    if (cause instanceof api.ApiError && cause.status === 404) return null;
    throw cause;
  }
}

/** A frame of a clip as a picture; -1 is the last. */
export function frameOf(media: Media, frame: number): Media {
  const index = frame < 0 ? media.numFrames + frame : frame;
  const cutOut = media.frameUrl?.(index);
  return {
    ...media,
    source: { ...media.source, frame },
    kind: 'image',
    url: cutOut ?? media.url,
    thumbUrl: cutOut ?? media.thumbUrl,
    still: cutOut === undefined ? index : null,
    sound: false,
    frameUrl: null,
    numFrames: 1,
  };
}
