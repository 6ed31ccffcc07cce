import { Choose } from './parts/choose/choose.js';
import { Make } from './parts/make/make.js';
import { Queue } from './parts/results/queue.js';
import { ResultPage } from './parts/results/result-page.js';
import { Results } from './parts/results/results.js';
import { Locked } from './parts/shell/locked.js';
import { Messages } from './parts/shell/messages.js';
import { TopBar } from './parts/shell/top-bar.js';
import { Training } from './parts/training/training.js';
import { lost } from './state/connection.js';
import { route } from './state/route.js';
import { health, locked } from './state/server.js';

export function App() {
  return (
    <>
      <button type="button" class="skip" onClick={() => document.getElementById('main')?.focus()}>
        Skip to the content
      </button>
      <TopBar />
      <main id="main" tabIndex={-1}>
        {locked.value ? (
          <Locked />
        ) : health.value ? (
          <CurrentPage />
        ) : (
          <p class="quiet">{lost.value ? NO_ANSWER : 'Connecting…'}</p>
        )}
      </main>
      <Messages />
    </>
  );
}

const NO_ANSWER =
  'The server does not answer. Start it with `mfm serve`; this page then goes on by itself.';

function CurrentPage() {
  const { page, id } = route.value;
  if (page === 'make' && id) return <Make key={id} id={id} />;
  if (page === 'results') return id ? <ResultPage key={id} id={id} /> : <Results />;
  if (page === 'queue') return <Queue />;
  if (page === 'training') return <Training name={id} />;
  return <Choose />;
}
