import type { Signal } from '@preact/signals';
import { type MaskDocument, redo, undo } from '../../logic/mask.js';
import { Icon, type IconName } from '../media/icon.js';

export type Tool = 'brush' | 'eraser' | 'box' | 'move';

const TOOLS: readonly { tool: Tool; name: string; icon: IconName }[] = [
  { tool: 'brush', name: 'Brush', icon: 'brush' },
  { tool: 'eraser', name: 'Eraser', icon: 'eraser' },
  { tool: 'box', name: 'Box', icon: 'box' },
  { tool: 'move', name: 'Move', icon: 'move' },
];

interface ToolBarProps {
  tool: Signal<Tool>;
  radius: Signal<number>;
  feather: Signal<number>;
  /** largest brush */
  most: number;
  mask: MaskDocument;
  /** whether the mask is that of a clip */
  moving: boolean;
  onChange: (mask: MaskDocument) => void;
  onFlood: (fill: boolean) => void;
}

export function ToolBar(props: ToolBarProps) {
  const { tool, radius, feather, most, mask, moving, onChange, onFlood } = props;
  return (
    <div class="tool-bar" role="toolbar" aria-label="Mask">
      <span class="segments">
        {TOOLS.filter(({ tool: one }) => one !== 'move' || moving).map(
          ({ tool: one, name, icon }) => (
            <button
              key={one}
              type="button"
              aria-pressed={tool.value === one}
              onClick={() => {
                tool.value = one;
              }}
            >
              <Icon name={icon} /> <span>{name}</span>
            </button>
          ),
        )}
      </span>
      <Slider name="Size" value={radius} least={1} most={most} step={1} />
      <Slider name="Feather" value={feather} least={0} most={1} step={0.05} />
      <span class="tool-end">
        <button
          type="button"
          class="icon-button"
          aria-label="Undo"
          aria-disabled={mask.done.length === 0}
          onClick={() => onChange(undo(mask))}
        >
          <Icon name="undo" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Redo"
          aria-disabled={mask.undone.length === 0}
          onClick={() => onChange(redo(mask))}
        >
          <Icon name="redo" />
        </button>
        <button type="button" onClick={() => onFlood(false)}>
          Clear
        </button>
        <button type="button" onClick={() => onFlood(true)}>
          All
        </button>
      </span>
    </div>
  );
}

interface SliderProps {
  name: string;
  value: Signal<number>;
  least: number;
  most: number;
  step: number;
}

const Slider = ({ name, value, least, most, step }: SliderProps) => (
  <label class="slider">
    <span>{name}</span>
    <input
      type="range"
      min={least}
      max={most}
      step={step}
      value={value.value}
      onInput={({ currentTarget }) => {
        value.value = Number(currentTarget.value);
      }}
    />
  </label>
);
