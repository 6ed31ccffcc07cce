import { close, messages } from '../../state/messages.js';
import { Icon } from '../media/icon.js';

export function Messages() {
  return (
    <div class="messages" role="status" aria-live="polite">
      <div>
        {messages.value.map(({ id, text, bad }) => (
          <div key={id} class={bad ? 'message bad' : 'message'}>
            <p>{text}</p>
            <button
              type="button"
              class="icon-button"
              aria-label="Close message"
              onClick={() => close(id)}
            >
              <Icon name="close" />
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}
