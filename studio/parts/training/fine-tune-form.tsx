import * as api from '../../api/client.js';
import { countField, readField } from '../../logic/fields.js';
import { isReady } from '../../logic/fine-tune.js';
import { nameOf } from '../../logic/task-names.js';
import {
  changeFineTune,
  clearFineTune,
  fineTuneDraft,
  sending,
  starting,
} from '../../state/fine-tune-draft.js';
import { attempt } from '../../state/messages.js';
import { go } from '../../state/route.js';
import { tasks } from '../../state/server.js';
import { dataFolders, takeFineTuning } from '../../state/training.js';
import { Icon } from '../media/icon.js';
import { TrainingFiles } from './training-files.js';

/** Starts a fine-tuning on a folder of the server's, or on files that are dropped here. */
export function FineTuneForm() {
  const draft = fineTuneDraft.value;
  const { name, folder, files, steps, rank, task } = draft;
  const stepsRead = readField(countField('Steps'), steps);
  const rankRead = readField(countField('Rank'), rank);

  async function begin(event: Event) {
    event.preventDefault();
    if (starting.peek() || 'problem' in stepsRead || 'problem' in rankRead) return;
    starting.value = true;
    const material = folder
      ? { training_folder: folder }
      : {
          training_files: files.map(({ media, caption }) => ({
            ...media.source,
            caption: caption.trim(),
          })),
        };
    const job = await attempt(() =>
      api.fineTune({
        ...material,
        name: name.trim(),
        method: { type: 'lora', lora: { rank: rankRead.value } },
        hyperparameters: { steps: stepsRead.value, tasks: task ? [task] : null },
      }),
    );
    starting.value = false;
    if (!job) return;
    clearFineTune();
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
        value={name}
        onText={(text) => changeFineTune({ name: text })}
        placeholder="my-dog"
      />
      {dataFolders.value.length > 0 && (
        <label class="field">
          <span>Folder on the server</span>
          <select
            value={folder}
            onChange={({ currentTarget }) => changeFineTune({ folder: currentTarget.value })}
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
      {!folder && <TrainingFiles />}
      <div class="fields">
        <Text
          label="Steps"
          value={steps}
          onText={(text) => changeFineTune({ steps: text })}
          read={stepsRead}
        />
        <Text
          label="Rank"
          value={rank}
          onText={(text) => changeFineTune({ rank: text })}
          read={rankRead}
        />
        <label class="field wide">
          <span>Tasks</span>
          <select
            value={task}
            onChange={({ currentTarget }) => changeFineTune({ task: currentTarget.value })}
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
      {!folder && sending.value > 0 && (
        <p class="hint">Learning can start when all files have been sent.</p>
      )}
      <button
        type="submit"
        class="primary"
        disabled={!isReady(draft, sending.value)}
        aria-disabled={starting.value}
      >
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
