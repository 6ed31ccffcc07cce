/** Waits for what happens in its own time; what never happens ends with a failure that names it. */
import assert from 'node:assert/strict';

/**
 * What `look` finds, looked for until it is true.
 *
 * @param look     a short function, whose text names it if it never is true
 * @param everyMs  milliseconds between two looks
 * @param seconds  how long to look
 */
export async function until<T>(
  look: () => T | Promise<T>,
  { everyMs = 2, seconds = 120 } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(performance.now() < end, `waited ${seconds} seconds in vain for ${look}`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
