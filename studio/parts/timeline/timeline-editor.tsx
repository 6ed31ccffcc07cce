import { useSignal } from '@preact/signals';
import type { Task } from '../../api/types.js';
import {
  type DepthPart,
  type Draft,
  type Media,
  type Part,
  timelineOf,
} from '../../logic/draft.js';
import { placeFor } from '../../logic/timeline.js';
import { change, draftOf } from '../../state/drafts.js';
import { uploadMedia } from '../../state/media.js';
import { attempt, say } from '../../state/messages.js';
import { newDepthPart, newPart } from '../../state/parts.js';
import { useDropAnywhere } from '../make/drop-anywhere.js';
import { MediaSlot } from '../media/media-slot.js';
import { PartPanel } from './part-panel.js';
import { Track } from './track.js';

/** Puts pictures, clips and depth where they belong in the new clip. */
export function TimelineEditor({ task, draft }: { task: Task; draft: Draft }) {
  const chosen = useSignal<string | null>(null);
  const { numFrames, parts, depthParts } = timelineOf(draft, task);
  const part = parts.find(({ id }) => id === chosen.value);

  /** @param wanted   frame on which it was dropped; null: the first place that is free */
  function put(media: Media, wanted: number | null, depth: boolean): void {
    // others may have come while this one was sent
    const { numFrames, parts, depthParts } = timelineOf(draftOf(task), task);
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
      const added = newDepthPart(media, place.at, place.length);
      change(task, { depthParts: [...depthParts, added] });
      return;
    }
    const added = newPart(media, place.at, place.length);
    change(task, { parts: [...parts, added] });
    chosen.value = added.id;
  }

  /** A picture or clip that is dropped or pasted beside its place. */
  async function take(file: File) {
    const media = await attempt(() => uploadMedia(file));
    if (media) put(media, null, false);
  }
  useDropAnywhere(take);

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
            change(task, (before) => ({
              parts: timelineOf(before, task).parts.map((one) =>
                one.id === part.id ? { ...one, ...changes } : one,
              ),
            }))
          }
          onRemove={() =>
            change(task, (before) => ({
              parts: timelineOf(before, task).parts.filter(({ id }) => id !== part.id),
            }))
          }
        />
      )}
    </div>
  );
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
