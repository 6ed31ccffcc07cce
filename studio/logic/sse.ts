/** Server-sent events from a stream of text. Source: HTML standard, 9.2.6 */

export interface ServerEvent {
  id: string | null;
  type: string;
  data: string;
}

export interface EventParser {
  /** @returns the events that are complete with this piece of the stream */
  push(text: string): ServerEvent[];
}

export function eventParser(): EventParser {
  let rest = '';
  let type = '';
  let id: string | null = null;
  let data: string[] = [];

  function take(line: string): ServerEvent | null {
    if (line === '') {
      const event = data.length > 0 ? { id, type: type || 'message', data: data.join('\n') } : null;
      type = '';
      data = [];
      return event;
    }
    const colon = line.indexOf(':');
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') type = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
    return null; // comments and unknown fields count for nothing
  }

  return {
    push(text) {
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop()!;
      return lines.map(take).filter((event) => event !== null);
    },
  };
}
