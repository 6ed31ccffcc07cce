import { useSignal } from '@preact/signals';
import type { Task } from '../../api/types.js';
import type { Draft, Media } from '../../logic/draft.js';
import { change, draftOf } from '../../state/drafts.js';
import { uploadAs } from '../../state/media.js';
import { MediaSlot } from '../media/media-slot.js';
import { useDropAnywhere } from './drop-anywhere.js';

interface InputsProps {
  task: Task;
  draft: Draft;
  onGiven: () => void;
}

/** The pictures and clips that a task is given. */
export function Inputs({ task, draft, onGiven }: InputsProps) {
  const kinds = [...task.inputs, ...task.optional_inputs];
  /** slots whose file is being sent from here */
  const sending = useSignal<readonly number[]>([]);

  function put(index: number, media: Media | null) {
    // other files may have come while this one was sent
    change(task, ({ inputs: before, mask }) => ({
      inputs: before.map((old, i) => (i === index ? media : old)),
      // a mask belongs to the picture that it was painted on
      mask: index === 0 ? null : mask,
    }));
    if (media) onGiven();
  }

  /** A file that was dropped beside the slots goes into the first one that is empty. */
  async function take(file: File) {
    if (kinds.length === 0) return;
    const isFree = (media: Media | null, i: number) => !media && !sending.value.includes(i);
    // as it is now, which may not be drawn yet
    const index = Math.max(0, draftOf(task).inputs.findIndex(isFree));
    sending.value = [...sending.value, index];
    const media = await uploadAs(kinds[index]!, file);
    sending.value = sending.value.filter((one) => one !== index);
    if (media) put(index, media);
  }
  useDropAnywhere(take);

  return (
    <>
      {kinds.map((kind, i) => (
        <MediaSlot
          // inputs never change their order
          key={`${kind}${i}`}
          label={labelOf(task, i, draft)}
          kind={kind}
          media={draft.inputs[i] ?? null}
          optional={i >= task.inputs.length}
          sending={sending.value.includes(i)}
          onChange={(media) => put(i, media)}
        />
      ))}
      {task.inputs[0] === 'depth' && (
        <label class="check">
          <input
            type="checkbox"
            checked={draft.estimateDepth}
            onChange={({ currentTarget }) => change(task, { estimateDepth: currentTarget.checked })}
          />
          <span>Estimate its depth; clear this if the file itself is depth (white is near)</span>
        </label>
      )}
      {takesReference(task) && (
        <MediaSlot
          label="Palette"
          kind="image"
          media={draft.reference}
          optional
          onChange={(reference) => change(task, { reference })}
        />
      )}
    </>
  );
}

const takesReference = ({ schema }: Task): boolean => schema.properties.reference !== undefined;

function labelOf(task: Task, index: number, draft: Draft): string {
  const kind = [...task.inputs, ...task.optional_inputs][index];
  if (index >= task.inputs.length) return 'First frame';
  if (kind === 'depth') return draft.estimateDepth ? 'Clip or picture' : 'Depth';
  const noun = kind === 'image' ? 'picture' : 'clip';
  if (task.inputs.length === 1) return `Your ${noun}`;
  return `${index === 0 ? 'From this' : 'To this'} ${noun}`;
}
