import { useSignal } from '@preact/signals';
import type { Task } from '../../api/types.js';
import type { DepthPart, Draft, Media, Part } from '../../logic/draft.js';
import { placeFor, refit } from '../../logic/timeline.js';
import { change } from '../../state/drafts.js';
import { say } from '../../state/messages.js';
import { newDepthPart, newPart } from '../../state/parts.js';
import { MediaSlot } from '../media/media-slot.js';
import { PartPanel } from './part-panel.js';
import { Track } from './track.js';

/** Puts pictures, clips and depth where they belong in the new clip. */
export function TimelineEditor({ task, draft }: { task: Task; draft: Draft }) {
  const chosen = useSignal<string | null>(null);
  const numFrames = framesOf(task, draft);
  const part = draft.parts.find(({ id }) => id === chosen.value);
  // parts beyond the end of a clip that became shorter
  const parts = refit(draft.parts, numFrames, numFrames);
  const depthParts = refit(draft.depthParts, numFrames, numFrames);

  /** @param wanted   frame on which it was dropped; null: the first place that is free */
  function put(media: Media, wanted: number | null, depth: boolean): void {
    const others = depth ? depthParts : parts;
    const length = usualLength(media, depth, numFrames);
    const place = placeFor(others, numFrames, {
      wanted: wanted ?? nextPlace(others, numFrames),
      length,
    });
    if (!place) {
      say('Every frame is known already; make room, or ask for more frames.', true);
      return;
    }
    if (depth) {
      change(task, { depthParts: [...depthParts, newDepthPart(media, place.at, place.length)] });
      return;
    }
    const added = newPart(media, place.at, place.length);
    change(task, { parts: [...parts, added] });
    chosen.value = added.id;
  }

  return (
    <div class="editor timeline-editor">
      <p class="hint">
        The new clip has {numFrames} frames. Drag a part to its place, and its right edge to make it
        longer; what no part covers is generated.
      </p>
      <Track<Part>
        name="Known"
        parts={parts}
        numFrames={numFrames}
        chosen={chosen}
        onParts={(next) => change(task, { parts: next })}
        onDropped={(media, at) => put(media, at, false)}
      />
      <Track<DepthPart>
        name="Depth"
        parts={depthParts}
        numFrames={numFrames}
        chosen={chosen}
        onParts={(next) => change(task, { depthParts: next })}
        onDropped={(media, at) => put(media, at, true)}
      />
      <div class="add-parts">
        <MediaSlot
          label="Add a picture or clip"
          kind="depth"
          media={null}
          onChange={(media) => media && put(media, null, false)}
        />
        <MediaSlot
          label="Add depth"
          kind="depth"
          media={null}
          optional
          onChange={(media) => media && put(media, null, true)}
        />
      </div>
      {part && (
        <PartPanel
          key={part.id}
          part={part}
          onChange={(changes) =>
            change(task, {
              parts: parts.map((one) => (one.id === part.id ? { ...one, ...changes } : one)),
            })
          }
          onRemove={() => change(task, { parts: parts.filter(({ id }) => id !== part.id) })}
        />
      )}
    </div>
  );
}

function framesOf(task: Task, draft: Draft): number {
  const asked = Number(draft.fields.num_frames || task.defaults.num_frames);
  return Number.isInteger(asked) && asked > 0 ? asked : 1;
}

/** Frames that a part covers at first: a clip leaves room for what is to be generated. */
function usualLength(media: Media, depth: boolean, numFrames: number): number {
  if (depth) return media.kind === 'video' ? Math.min(media.numFrames, numFrames) : numFrames;
  return media.kind === 'video' ? Math.min(media.numFrames, Math.ceil(numFrames / 2)) : 1;
}

/** The first part goes to the beginning, the second to the end, others between. */
function nextPlace(parts: readonly { at: number }[], numFrames: number): number {
  if (parts.length === 0) return 0;
  return parts.length === 1 ? numFrames - 1 : Math.floor(numFrames / 2);
}
