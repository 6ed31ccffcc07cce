import type { Preview } from '../../api/types.js';

/** The half-made result: soft at first, as nothing in it is certain yet. */
export function PreviewPicture({ preview }: { preview: Preview }) {
  const { b64_json: data, content_type: type, step, steps } = preview;
  return (
    <img
      class="thumb preview"
      src={`data:${type};base64,${data}`}
      alt={`Half-made, step ${step} of ${steps}`}
      draggable={false}
    />
  );
}
