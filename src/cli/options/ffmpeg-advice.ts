/** Warns once, before videos are read or written, if ffmpeg is outdated. */
let said = false;

export async function adviseFfmpeg(): Promise<void> {
  if (said) return;
  said = true;
  const { oldFfmpegAdvice } = await import('../../media/ffmpeg/ffmpeg.js');
  const advice = oldFfmpegAdvice();
  if (advice !== null) process.stderr.write(`${advice}\n`);
}
