/** Says once that the ffmpeg found is old, where videos are read or written. */
let said = false;

export async function adviseFfmpeg(): Promise<void> {
  if (said) return;
  said = true;
  const { oldFfmpegAdvice } = await import('../../media/ffmpeg/ffmpeg.js');
  const advice = oldFfmpegAdvice();
  if (advice !== null) process.stderr.write(`${advice}\n`);
}
