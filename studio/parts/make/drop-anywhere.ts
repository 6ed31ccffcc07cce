import { useEffect } from 'preact/hooks';

/**
 * Takes a file that is dropped or pasted anywhere on the page. Parts that take it themselves stop the
 * event, so that it does not come here.
 */
export function useDropAnywhere(take: (file: File) => void): void {
  useEffect(() => {
    const onPaste = (event: ClipboardEvent) => {
      const file = event.clipboardData?.files[0];
      if (!file) return;
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
