import { useLayoutEffect, useRef } from 'preact/hooks';

/**
 * Keeps the focus in a list whose rows move and go: on what had it, else at the same place of the next
 * row, else on the heading.
 */
export function useKeptFocus() {
  const list = useRef<HTMLOListElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  // as long as the rows lie as they were drawn last
  const held = placeIn(list.current);

  useLayoutEffect(() => {
    if (!held || document.activeElement !== document.body) return;
    const rows = list.current?.children;
    const next = rows?.[held.row] ?? rows?.[rows.length - 1];
    const target = held.focused.isConnected ? held.focused : next && targetsIn(next)[held.place];
    (target ?? heading.current)?.focus();
  });

  return { list, heading };
}

function placeIn(list: Element | null) {
  const focused = document.activeElement;
  if (!list || !(focused instanceof HTMLElement)) return null;
  const rows = [...list.children];
  const row = rows.findIndex((one) => one.contains(focused));
  return row === -1 ? null : { focused, row, place: targetsIn(rows[row]!).indexOf(focused) };
}

const targetsIn = (row: Element): HTMLElement[] => [
  ...row.querySelectorAll<HTMLElement>('a, button'),
];
