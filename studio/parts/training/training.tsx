import { useEffect } from 'preact/hooks';
import { linkTo } from '../../state/route.js';
import { loadTraining, runs } from '../../state/training.js';
import { Icon } from '../media/icon.js';
import { FineTuneForm } from './fine-tune-form.js';
import { RunList } from './run-list.js';
import { RunView } from './run-view.js';

/** Time between looks at the runs, in ms. */
const LOOK = 4000;

/** Runs to watch, and the form that starts a fine-tuning. */
export function Training({ name }: { name: string | null }) {
  useEffect(() => {
    void loadTraining();
    const timer = setInterval(() => void loadTraining(), LOOK);
    return () => clearInterval(timer);
  }, []);
  if (name) {
    return (
      <div class="training">
        <header class="page-head">
          <a class="back" href={linkTo('training')} aria-label="All runs">
            <Icon name="back" />
          </a>
          <h1>{name}</h1>
        </header>
        <RunView key={name} name={name} />
      </div>
    );
  }
  return (
    <div class="training">
      <header class="page-head">
        <h1>Training</h1>
        <p class="quiet">Teach the model something of yours, and watch it learn.</p>
      </header>
      <div class="training-columns">
        <section aria-label="Runs">
          <h2>Runs</h2>
          {runs.value.length === 0 && <p class="quiet">No run yet.</p>}
          <RunList runs={runs.value} />
        </section>
        <FineTuneForm />
      </div>
    </div>
  );
}
