import type { ComponentChildren } from 'preact';

interface ScreenProps {
  width: number;
  height: number;
  class?: string;
  style?: Readonly<Record<string, string>>;
  children: ComponentChildren;
}

/** Where a picture is shown: of its shape, as large as fits into the window. */
export const Screen = ({ width, height, class: more = '', style, children }: ScreenProps) => (
  <div
    class={`screen ${more}`}
    style={{ ...style, aspectRatio: `${width} / ${height}`, '--ratio': String(width / height) }}
  >
    {children}
  </div>
);
