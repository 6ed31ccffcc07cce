import type { Task } from '../../api/types.js';
import { Icon } from '../media/icon.js';

const PICTURES = import.meta.glob<string>('../../pictures/*.webp', {
  eager: true,
  query: '?url',
  import: 'default',
});

/** What a task is given and what it makes; a clip plays while one points at the card. */
export function TaskPicture({ task: { id, result, inputs, placed } }: { task: Task }) {
  const picture = PICTURES[`../../pictures/${id}.webp`];
  if (!picture) {
    return (
      <span class="task-picture unknown">
        <Icon name={result === 'image' ? 'image' : 'film'} />
      </span>
    );
  }
  return (
    <span
      class={`task-picture ${result} ${inputs.length > 0 || placed ? 'pair' : ''}`}
      role="presentation"
      style={{ backgroundImage: `url("${picture}")` }}
    />
  );
}
