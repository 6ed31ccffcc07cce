/** What training does not take of its files, in lines for people; the first few are named. */
import { type CaptionLimit, excessOf } from '../../data/caption-length.js';
import type { OpenedSource, OpenedSources } from './index.js';

const SHOWN = 5;
/** Captions whose tokens are counted of a source: some seconds. */
const COUNTED = 20_000;

/** Items that are left out, and what is to be known of the others. */
export function leftOutLines({ skipped, notes }: Omit<OpenedSources, 'sources'>): string[] {
  const reasons = skipped.map(({ where, reason }) =>
    reason.startsWith(where) ? reason : `${where}: ${reason}`,
  );
  return [
    ...some(
      reasons.map((reason) => `left out: ${reason}`),
      'more are left out',
    ),
    ...some(notes, 'notes more'),
  ];
}

function some(lines: readonly string[], more: string): string[] {
  if (lines.length <= SHOWN) return [...lines];
  const rest = `${lines.length - SHOWN} ${more}; \`mfm data check\` names them`;
  return [...lines.slice(0, SHOWN), rest];
}

/** How many captions of each source are longer than the text encoder reads. */
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
