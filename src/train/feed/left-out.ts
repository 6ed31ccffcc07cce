/** Lines for people about files that training leaves out or cuts; the first few are named. */
import { type CaptionLimit, excessOf } from '../../data/caption-length.js';
import type { OpenedSource, OpenedSources } from './index.js';

/** Number of lines that are shown. */
const SHOWN = 5;
/** Number of captions per source whose tokens are counted, which takes some seconds. */
const COUNTED = 20_000;

/** Lines about items that are left out, and notes about the others. */
export function leftOutLines({ skipped, notes }: Omit<OpenedSources, 'sources'>): string[] {
  const reasons = skipped.map(({ where, reason }) =>
    reason.startsWith(where) ? reason : `${where}: ${reason}`,
  );
  return [
    ...some(
      reasons.map((reason) => `left out: ${reason}`),
      'more are left out',
    ),
    ...some(notes, 'more notes'),
  ];
}

function some(lines: readonly string[], more: string): string[] {
  if (lines.length <= SHOWN) return [...lines];
  const rest = `${lines.length - SHOWN} ${more}; \`mfm data check\` names them`;
  return [...lines.slice(0, SHOWN), rest];
}

/** A line for each source with captions that are longer than the text encoder reads. */
export function cutCaptionLines(sources: readonly OpenedSource[], limit: CaptionLimit): string[] {
  return sources.flatMap(({ name, items, heldOut }) => {
    const captions = new Map<string, string>();
    for (const { where, origin } of [...items, ...heldOut].slice(0, COUNTED)) {
      if (origin.kind === 'scene') continue;
      const text = origin.kind === 'file' ? origin.item.prompt : origin.caption;
      if (text !== '') captions.set(text, where);
    }
    const cut = [...captions].flatMap(([caption, where]) => {
      const excess = excessOf(caption, limit);
      return excess === null ? [] : { where, tokens: excess.tokens };
    });
    if (cut.length === 0) return [];
    const longest = cut.reduce((most, one) => (one.tokens > most.tokens ? one : most));
    return `${name}: ${cut.length} of ${captions.size} captions are longer than the ${limit.tokens} tokens that the text encoder reads, and cut off there; the longest has ${longest.tokens} (${longest.where})`;
  });
}
