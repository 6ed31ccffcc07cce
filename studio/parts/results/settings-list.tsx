import { urls } from '../../api/client.js';
import type { Job } from '../../api/types.js';
import { ago, duration, inWords, withoutFolders } from '../../logic/format.js';
import { nameOf } from '../../logic/task-names.js';

/** What a result was made with. */
export function SettingsList({ job }: { job: Job }) {
  const { request, notes, inference_time_s: took, created_at: made } = job;
  const rows: [string, string][] = [
    ['task', nameOf(job.task)],
    ['model', job.model],
    ...Object.entries(request)
      .filter(([name, value]) => !['task', 'model'].includes(name) && value !== null)
      .map(([name, value]): [string, string] => [name.replaceAll('_', ' '), inWords(value)]),
    ['made', `${ago(made, Date.now() / 1000)}${took === null ? '' : `, in ${duration(took)}`}`],
  ];
  return (
    <details class="more settings">
      <summary>Settings</summary>
      <dl>
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {notes.map((note) => (
        <p key={note} class="quiet note">
          {withoutFolders(note)}
        </p>
      ))}
      {job.status === 'completed' && (
        <p>
          <a href={urls.variant(job.id, 'settings')} target="_blank" rel="noreferrer">
            All of them, as stored in the file
          </a>
        </p>
      )}
    </details>
  );
}
