import type { ComponentChildren } from 'preact';
import { useRef, useState } from 'preact/hooks';

interface ActionButtonProps {
  /** what a press does; presses before it is done do nothing */
  onAct: () => Promise<unknown>;
  class?: string;
  label?: string;
  /** a press does nothing; it can have the focus still, so that it keeps it */
  disabled?: boolean;
  /** shown instead of the children while it is being done */
  doing?: ComponentChildren;
  children: ComponentChildren;
}

/** A button for something that the server does: pressed twice, it does it once, and it keeps the focus. */
export function ActionButton(props: ActionButtonProps) {
  const { onAct, class: name, label, disabled = false, doing, children } = props;
  const busy = useRef(false);
  const [isBusy, setBusy] = useState(false);

  async function press() {
    if (disabled || busy.current) return;
    busy.current = true;
    setBusy(true);
    try {
      await onAct();
    } finally {
      busy.current = false;
      setBusy(false);
    }
  }

  return (
    <button
      type="button"
      class={name}
      aria-label={label}
      title={label}
      aria-disabled={disabled || isBusy}
      onClick={press}
    >
      {(isBusy && doing) || children}
    </button>
  );
}
