import { useEffect } from 'preact/hooks';

/**
 * Takes a file that is dropped or pasted anywhere on the page. Parts that take it themselves stop the
 * event, so that it does not come here.
 */
export function useDropAnywhere(take: (file: File) => void): void {
  useEffect(() => {
    const onPaste = (event: ClipboardEvent) => {
      const { clipboardData: data, target } = event;
      const file = data?.files[0];
      // text that is copied from some programs comes with a picture of it
      const isText = target instanceof HTMLTextAreaElement || target instanceof HTMLInputElement;
      if (!file || (isText && data.types.includes('text/plain'))) return;
      event.preventDefault();
      take(file);
    };
    const onDrop = (event: DragEvent) => {
      const file = event.dataTransfer?.files[0];
      if (!file) return;
      event.preventDefault();
      take(file);
    };
    addEventListener('paste', onPaste);
    addEventListener('drop', onDrop);
    return () => {
      removeEventListener('paste', onPaste);
      removeEventListener('drop', onDrop);
    };
  }, [take]);
}
