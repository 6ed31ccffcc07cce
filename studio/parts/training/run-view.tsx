import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as api from '../../api/client.js';
import type { RunDetails, RunMetrics } from '../../api/types.js';
import { chartsOf, partsOf } from '../../logic/curves.js';
import { look } from '../../state/messages.js';
import { areRead, fineTunings, readTraining, runs } from '../../state/training.js';
import { Chart } from './chart.js';
import { doingText } from './run-list.js';
import { SteerFineTuning } from './steer-fine-tuning.js';

const KINDS = [
  ['loss', 'Loss in training'],
  ['validation', 'Loss on what is held out'],
  ['quality', 'Quality of samples'],
  ['state', 'Speed and state'],
] as const;

/** Time between looks at a run that goes on, in ms. */
const LOOK = 2500;

/** The curves and samples of a run, over those of another one if that is wished. */
export function RunView({ name }: { name: string }) {
  const run = useSignal<RunDetails | null>(null);
  const metrics = useSignal<readonly RunMetrics[]>([]);
  const other = useSignal('');
  const part = useSignal<string | null>(null);

  useEffect(() => {
    let over = false;
    let isAsking = false;
    async function update() {
      if (isAsking) return;
      isAsking = true;
      await read().finally(() => {
        isAsking = false;
      });
    }
    async function read() {
      if (!(await exists(name))) return;
      const names = [name, other.peek()].filter(Boolean);
      const found = await look(() => Promise.all([api.run(name), ...names.map(api.runMetrics)]));
      if (over || !found) return;
      const [details, ...read] = found as [RunDetails, ...RunMetrics[]];
      run.value = details;
      metrics.value = read;
    }
    void update();
    const timer = setInterval(() => run.peek()?.state !== 'finished' && void update(), LOOK);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [name, other.value]);

  if (!run.value) return <Unread name={name} />;
  const parts = partsOf(metrics.value);
  const shown = part.value || run.value.part || parts.at(-1) || '';
  const charts = chartsOf(metrics.value, shown);
  const names = metrics.value.map((one) => one.run);
  const job = fineTunings.value.find(({ id }) => id === run.value!.fine_tuning_job);
  const { state, step, steps, message } = run.value;
  return (
    <>
      <p class="run-line" role="status">
        <span class={`state ${state}`}>{state}</span> {doingText(run.value)}
      </p>
      {state === 'running' && step !== null && steps !== null && (
        <progress max={steps} value={step} aria-label="Progress" />
      )}
      {message && <p class="note">{message}</p>}
      {job && <SteerFineTuning job={job} />}
      <div class="filters">
        {parts.length > 1 && (
          <label class="field">
            <span>Part</span>
            <select
              value={shown}
              onChange={({ currentTarget }) => (part.value = currentTarget.value)}
            >
              {parts.map((one) => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
          </label>
        )}
        <label class="field">
          <span>Compare with</span>
          <select
            value={other.value}
            onChange={({ currentTarget }) => (other.value = currentTarget.value)}
          >
            <option value="">no other run</option>
            {runs.value
              .filter((one) => one.name !== name)
              .map((one) => (
                <option key={one.name} value={one.name}>
                  {one.name}
                </option>
              ))}
          </select>
        </label>
        {names.length > 1 && (
          <p class="legend">
            {names.map((one, i) => (
              <span key={one} class={`c${i}`}>
                <i /> {one}
              </span>
            ))}
          </p>
        )}
      </div>
      {charts.length === 0 && <p class="quiet empty">There are no figures yet.</p>}
      {KINDS.map(([kind, title]) => {
        const own = charts.filter((chart) => chart.kind === kind);
        if (own.length === 0) return null;
        return (
          <section key={kind} aria-label={title} class="chart-group">
            <h2>{title}</h2>
            <div class="charts">
              {own.map((chart) => (
                <Chart key={chart.figure} chart={chart} runs={names} />
              ))}
            </div>
          </section>
        );
      })}
      {run.value.samples.length > 0 && (
        <section aria-label="Samples" class="samples">
          <h2>Samples</h2>
          {[...run.value.samples].reverse().map((path) => (
            <figure key={path}>
              <img
                class="pixels"
                src={api.urls.sample(name, path)}
                alt={`Samples: ${path}`}
                loading="lazy"
              />
              <figcaption class="quiet">{path.split('/').at(-1)}</figcaption>
            </figure>
          ))}
        </section>
      )}
    </>
  );
}

/** Whether there is a folder of this run: a fine-tuning that waits has none yet. */
async function exists(name: string): Promise<boolean> {
  const isListed = () => runs.peek().some((run) => run.name === name);
  if (!isListed()) await look(readTraining);
  return isListed();
}

/** A run that has written nothing yet. */
function Unread({ name }: { name: string }) {
  const job = fineTunings.value.find(({ run }) => run === name);
  if (!job) {
    const isUnknown = areRead.value && !runs.value.some((run) => run.name === name);
    return (
      <p class="quiet" role="status">
        {isUnknown ? 'There is no such run; it may have been deleted.' : 'Reading the run…'}
      </p>
    );
  }
  return (
    <>
      <p role="status">{job.status === 'queued' ? 'It waits for its turn.' : 'It begins.'}</p>
      <SteerFineTuning job={job} />
    </>
  );
}
