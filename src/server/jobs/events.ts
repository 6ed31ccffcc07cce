/** What happens, numbered, so that a reader who was away can be told what it missed. */
import { randomBytes } from 'node:crypto';
import type { EventData } from '../schemas/event.js';

export interface ServerEvent {
  /** BOOT-N: numbers begin again when the server does */
  id: string;
  number: number;
  name: EventData['type'];
  /** the job that it is about */
  about: string | null;
  data: EventData;
}

/** Events that are kept. */
const KEPT = 2000;

export class Events {
  private readonly boot = randomBytes(4).toString('hex');
  private next = 1;
  private kept: ServerEvent[] = [];
  private readonly listeners = new Set<(event: ServerEvent) => void>();

  /** @param about  the id of the job that it is about */
  emit(data: EventData, about: string | null = null): void {
    const { type: name } = data;
    const number = this.next++;
    const id = `${this.boot}-${number}`;
    const event = { id, number, name, about, data };
    // of previews, which are large, the newest one is enough
    if (name === 'preview') this.kept = this.kept.filter((one) => !isPreviewOf(one, about));
    this.kept.push(event);
    if (this.kept.length > KEPT) this.kept.shift();
    for (const listener of this.listeners) listener(event);
  }

  /** The id of the newest event. */
  get last(): string {
    return `${this.boot}-${this.next - 1}`;
  }

  /** What came after an event; null if that is not known any more. */
  after(id: string): ServerEvent[] | null {
    const [boot, text] = id.split('-');
    const number = Number(text);
    if (boot !== this.boot || !Number.isInteger(number) || number >= this.next) return null;
    const oldest = this.kept[0]?.number ?? this.next;
    // what is missing between kept events are previews that were followed by others
    if (number + 1 < oldest) return null;
    return this.kept.filter((event) => event.number > number);
  }

  /** Calls `listener` for each event from now on; returns what ends that. */
  listen(listener: (event: ServerEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
}

const isPreviewOf = ({ name, about }: ServerEvent, job: string | null): boolean =>
  name === 'preview' && about === job;
