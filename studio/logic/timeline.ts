/**
 * The time line of a mixture: parts that are known, each over a run of frames of the new clip. Each
 * frame may be known once, so parts never overlap.
 */

export interface Span {
  /** first frame, from 0 */
  at: number;
  /** number of frames, at least 1 */
  length: number;
}

export interface Placed extends Span {
  id: string;
  /** as many as the part can cover; null if any number, as a picture can */
  longest: number | null;
}

const endOf = ({ at, length }: Span): number => at + length;

/** The runs of frames that no part covers, in order. */
export function gaps(parts: readonly Span[], numFrames: number): Span[] {
  const free: Span[] = [];
  let from = 0;
  for (const part of [...parts].sort((a, b) => a.at - b.at)) {
    if (part.at > from) free.push({ at: from, length: part.at - from });
    from = Math.max(from, endOf(part));
  }
  if (from < numFrames) free.push({ at: from, length: numFrames - from });
  return free;
}

/**
 * Where a new part of `length` frames goes if it is dropped at `wanted`: the nearest free place,
 * cut if no gap is long enough; null if no frame is free.
 */
export function placeFor(
  parts: readonly Span[],
  numFrames: number,
  { wanted, length }: { wanted: number; length: number },
): Span | null {
  const free = gaps(parts, numFrames);
  if (free.length === 0) return null;
  const roomy = free.filter((gap) => gap.length >= length);
  const choices = (roomy.length > 0 ? roomy : free).map((gap) => {
    const fitting = Math.min(length, gap.length);
    return { at: clamp(wanted, gap.at, endOf(gap) - fitting), length: fitting };
  });
  const distance = ({ at }: Span) => Math.abs(at - wanted);
  return choices.reduce((best, choice) => (distance(choice) < distance(best) ? choice : best));
}

/** Moves a part towards a frame, as far as its neighbours and the ends let it; it may jump over them. */
export function moveTo<P extends Placed>(
  parts: readonly P[],
  id: string,
  wanted: number,
  numFrames: number,
): P[] {
  return change(parts, id, (part, others) => {
    const place = placeFor(others, numFrames, { wanted, length: part.length });
    return place && place.length === part.length ? place : part;
  });
}

/** Gives a part another length, as far as its material, its neighbours and the end let it. */
export function lengthen<P extends Placed>(
  parts: readonly P[],
  id: string,
  length: number,
  numFrames: number,
): P[] {
  return change(parts, id, (part, others) => {
    const next = Math.min(numFrames, ...others.map(({ at }) => at).filter((at) => at > part.at));
    const most = Math.min(next - part.at, part.longest ?? numFrames);
    return { at: part.at, length: clamp(length, 1, most) };
  });
}

/** Fits parts into a clip of another length: those beyond the end are moved in, or left out if there is no room. */
export function refit<P extends Placed>(
  parts: readonly P[],
  before: number,
  numFrames: number,
): P[] {
  const kept: P[] = [];
  for (const part of [...parts].sort((a, b) => a.at - b.at)) {
    // what ended with the clip still does
    const wanted = endOf(part) === before ? numFrames - part.length : part.at;
    const place = placeFor(kept, numFrames, { wanted: Math.max(0, wanted), length: part.length });
    if (place) kept.push({ ...part, at: place.at, length: place.length });
  }
  return kept;
}

function change<P extends Placed>(
  parts: readonly P[],
  id: string,
  place: (part: P, others: P[]) => Span,
): P[] {
  return parts.map((part) => {
    if (part.id !== id) return part;
    const { at, length } = place(
      part,
      parts.filter((other) => other.id !== id),
    );
    return { ...part, at, length };
  });
}

const clamp = (value: number, low: number, high: number): number =>
  Math.min(Math.max(value, low), Math.max(low, high));
