/** Waits for what happens in its own time; what never happens ends with a failure that names it. */
import assert from 'node:assert/strict';

/**
 * What `look` finds, looked for until it is true.
 *
 * @param look  a short function, whose text names it if it never is true
 */
export async function until<T>(look: () => T | Promise<T>): Promise<NonNullable<T>> {
  const end = performance.now() + 120_000;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(performance.now() < end, `waited two minutes in vain for ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
