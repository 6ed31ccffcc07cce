import { useEffect } from 'preact/hooks';
import { look } from '../../state/messages.js';
import { linkTo } from '../../state/route.js';
import { areRead, readTraining, runs } from '../../state/training.js';
import { Icon } from '../media/icon.js';
import { FineTuneForm } from './fine-tune-form.js';
import { RunList } from './run-list.js';
import { RunView } from './run-view.js';

/** Time between looks at the runs, in ms. */
const LOOK = 4000;

/** Runs to watch, and the form that starts a fine-tuning. */
export function Training({ name }: { name: string | null }) {
  useEffect(() => {
    void look(readTraining);
    const timer = setInterval(() => void look(readTraining), LOOK);
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
          {runs.value.length === 0 && (
            <p class="quiet">{areRead.value ? 'No run yet.' : 'Reading the runs…'}</p>
          )}
          <RunList runs={runs.value} />
        </section>
        <FineTuneForm />
      </div>
    </div>
  );
}
