/** What a person is putting together for a fine-tuning; it stays while other pages are looked at. */
import { batch, signal } from '@preact/signals';
import { captioned } from '../logic/captions.js';
import { EMPTY_FINE_TUNE, type FineTuneDraft } from '../logic/fine-tune.js';
import { uploadMedia } from './media.js';
import { attempt, say } from './messages.js';

export const fineTuneDraft = signal(EMPTY_FINE_TUNE);
/** files that are still being sent */
export const sending = signal(0);
/** whether the request is being sent */
export const starting = signal(false);

export function changeFineTune(changes: Partial<FineTuneDraft>): void {
  fineTuneDraft.value = { ...fineTuneDraft.value, ...changes };
}

export function clearFineTune(): void {
  fineTuneDraft.value = EMPTY_FINE_TUNE;
}

/** Sends pictures and clips, each with the words on it. */
export async function addFiles(list: readonly File[]): Promise<void> {
  const found = await captioned(
    list,
    (file) => file.webkitRelativePath || file.name,
    (file) => file.text(),
  );
  if (found.length === 0) say('There are no pictures or clips among these files.', true);
  sending.value += found.length;
  for (const { file, caption } of found) {
    const media = await attempt(() => uploadMedia(file));
    // in one step, so that no moment sees the file neither on its way nor arrived
    batch(() => {
      sending.value--;
      if (media) changeFineTune({ files: [...fineTuneDraft.value.files, { media, caption }] });
    });
  }
}
