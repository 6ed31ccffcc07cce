import { useEffect, useRef, useState } from 'preact/hooks';
import { unlock } from '../../state/connection.js';

/** Asks for the key that the server was started with. */
export function Locked() {
  const [key, setKey] = useState('');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current!.focus(), []);
  return (
    <form
      class="panel locked"
      onSubmit={(event) => {
        event.preventDefault();
        void unlock(key);
      }}
    >
      <h1>A key, please</h1>
      <p class="quiet">This server was started with an API key.</p>
      <label class="field">
        <span>API key</span>
        <input
          ref={field}
          type="password"
          autocomplete="current-password"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={!key}>
        Open the studio
      </button>
    </form>
  );
}
