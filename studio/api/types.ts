/**
 * What the server sends and takes, as its own schemas describe it. These are types alone: neither the
 * schemas nor zod become part of the page.
 */
import type { FileView } from '../../src/server/schemas/file.js';
import type { VideoJob } from '../../src/server/schemas/job.js';
import type { ListOf, PageOf } from '../../src/server/schemas/list.js';
import type { Media } from '../../src/server/schemas/media.js';
import type { LoraView, ModelView, TaskView } from '../../src/server/schemas/model.js';
import type {
  DataFolder,
  RunMetrics,
  RunView,
  TrainingView,
} from '../../src/server/schemas/training.js';

export type { ErrorBody as ApiProblem } from '../../src/server/schemas/error.js';
export type { EventData, PreviewView as Preview } from '../../src/server/schemas/event.js';
export type { FileView as Upload } from '../../src/server/schemas/file.js';
export type { Plan, QueueView as Queue, VideoJob as Job } from '../../src/server/schemas/job.js';
export type {
  Health,
  LoraView as Lora,
  ModelView as Model,
  TaskView as Task,
} from '../../src/server/schemas/model.js';
export type {
  DataFolder,
  RunMetrics,
  RunView as Run,
  TrainingView as FineTuningJob,
  WholeRun as RunDetails,
} from '../../src/server/schemas/training.js';

export type Models = ListOf<typeof ModelView>;
export type Tasks = ListOf<typeof TaskView>;
export type Loras = ListOf<typeof LoraView>;
export type Runs = ListOf<typeof RunView>;
export type DataFolders = ListOf<typeof DataFolder>;
export type Jobs = PageOf<typeof VideoJob>;
export type Uploads = PageOf<typeof FileView>;
export type FineTuningJobs = PageOf<typeof TrainingView>;

/** A picture or clip on the server that a request refers to. */
export type MediaSource = Extract<Media, { file_id: string } | { video_id: string }>;

/** One figure of a training: its points are [step, seconds, samples, value]. */
export type Figure = RunMetrics['parts'][number]['figures'][string];
export type MetricPoint = Figure['points'][number];
