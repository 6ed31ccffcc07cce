import { useSignal } from '@preact/signals';
import * as api from '../../api/client.js';
import { countField, readField } from '../../logic/fields.js';
import { nameOf } from '../../logic/task-names.js';
import { attempt } from '../../state/messages.js';
import { go } from '../../state/route.js';
import { tasks } from '../../state/server.js';
import { dataFolders, takeFineTuning } from '../../state/training.js';
import { Icon } from '../media/icon.js';
import { type Captioned, TrainingFiles } from './training-files.js';

const STEPS = 200;
const RANK = 8;

/** Starts a fine-tuning on a folder of the server's, or on files that are dropped here. */
export function FineTuneForm() {
  const name = useSignal('');
  const folder = useSignal('');
  const files = useSignal<readonly Captioned[]>([]);
  const steps = useSignal(String(STEPS));
  const rank = useSignal(String(RANK));
  const task = useSignal('');
  const busy = useSignal(false);
  const stepsRead = readField(countField('Steps'), steps.value);
  const rankRead = readField(countField('Rank'), rank.value);
  const captioned = files.value.length > 0 && files.value.every(({ caption }) => caption.trim());
  const isReady = name.value.trim() && (folder.value || captioned);

  async function begin(event: Event) {
    event.preventDefault();
    if (busy.peek() || 'problem' in stepsRead || 'problem' in rankRead) return;
    busy.value = true;
    const material = folder.value
      ? { training_folder: folder.value }
      : {
          training_files: files.value.map(({ media, caption }) => ({
            ...media.source,
            caption: caption.trim(),
          })),
        };
    const job = await attempt(() =>
      api.fineTune({
        ...material,
        name: name.value.trim(),
        method: { type: 'lora', lora: { rank: rankRead.value } },
        hyperparameters: { steps: stepsRead.value, tasks: task.value ? [task.value] : null },
      }),
    );
    busy.value = false;
    if (!job) return;
    takeFineTuning(job);
    go('training', job.run);
  }

  return (
    <form class="panel fine-tune" aria-label="Start a fine-tuning" onSubmit={begin}>
      <h2>Teach it something</h2>
      <p class="quiet">
        Some ten pictures or clips with a few words on each are enough for a subject or a style.
      </p>
      <Text
        label="Name"
        value={name.value}
        onText={(text) => (name.value = text)}
        placeholder="my-dog"
      />
      {dataFolders.value.length > 0 && (
        <label class="field">
          <span>Folder on the server</span>
          <select
            value={folder.value}
            onChange={({ currentTarget }) => (folder.value = currentTarget.value)}
          >
            <option value="">none; files from here</option>
            {dataFolders.value.map((one) => (
              <option key={one.name} value={one.name}>
                {one.name} ({one.files})
              </option>
            ))}
          </select>
        </label>
      )}
      {!folder.value && <TrainingFiles files={files} />}
      <div class="fields">
        <Text
          label="Steps"
          value={steps.value}
          onText={(text) => (steps.value = text)}
          read={stepsRead}
        />
        <Text
          label="Rank"
          value={rank.value}
          onText={(text) => (rank.value = text)}
          read={rankRead}
        />
        <label class="field wide">
          <span>Tasks</span>
          <select
            value={task.value}
            onChange={({ currentTarget }) => (task.value = currentTarget.value)}
          >
            <option value="">all that fit the material</option>
            {tasks.value.map(({ id }) => (
              <option key={id} value={id}>
                {nameOf(id)} ({id})
              </option>
            ))}
          </select>
        </label>
      </div>
      <button type="submit" class="primary" disabled={!isReady} aria-disabled={busy.value}>
        <Icon name="spark" /> Start learning
      </button>
    </form>
  );
}

interface TextProps {
  label: string;
  value: string;
  onText: (text: string) => void;
  placeholder?: string;
  /** what the text of a number says */
  read?: ReturnType<typeof readField>;
}

const Text = ({ label, value, onText, placeholder, read }: TextProps) => (
  <label class="field">
    <span>{label}</span>
    <input
      type="text"
      inputMode={read ? 'numeric' : 'text'}
      aria-invalid={read !== undefined && 'problem' in read}
      autocomplete="off"
      value={value}
      placeholder={placeholder}
      onInput={({ currentTarget }) => onText(currentTarget.value)}
    />
    {read && 'problem' in read && <small class="wrong">{read.problem}</small>}
  </label>
);
