/** A map by keys of `keyOf` that can exceed the 2^24 entries to which a JavaScript Map is limited. */
export class KeyMap<Value> {
  /** up to 256 maps, by the first two digits of the key */
  private readonly parts = new Map<string, Map<string, Value>>();

  get size(): number {
    let size = 0;
    for (const part of this.parts.values()) size += part.size;
    return size;
  }

  has(key: string): boolean {
    return this.parts.get(key.slice(0, 2))?.has(key) ?? false;
  }

  get(key: string): Value | undefined {
    return this.parts.get(key.slice(0, 2))?.get(key);
  }

  set(key: string, value: Value): void {
    const digits = key.slice(0, 2);
    let part = this.parts.get(digits);
    if (!part) {
      part = new Map();
      this.parts.set(digits, part);
    }
    part.set(key, value);
  }

  /** @returns whether the key was there */
  delete(key: string): boolean {
    return this.parts.get(key.slice(0, 2))?.delete(key) ?? false;
  }
}
