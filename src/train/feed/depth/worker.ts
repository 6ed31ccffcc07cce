/** A thread that draws pictures for a depth model. Its `workerData` are the photos, or null. */
import { workerData } from 'node:worker_threads';
import type { PhotoFiles } from '../../../data/miniworld/looks/photo-files.js';
import { PhotoShelf } from '../../../data/miniworld/looks/photo-files.js';
import { serveJobs } from '../../../data/worker-pool.js';
import {
  type MadePicture,
  makePicture,
  type PhotosBySplit,
  type PictureJob,
} from './make-picture.js';

const files = workerData as PhotoFiles | null;
const photos: PhotosBySplit = files && {
  train: { shelf: new PhotoShelf(files.train), count: files.train.length },
  heldout: { shelf: new PhotoShelf(files.heldOut), count: files.heldOut.length },
};

serveJobs(
  (job: PictureJob) => makePicture(job, photos),
  ({ pixels, distances }: MadePicture) => [pixels.buffer, distances.buffer],
);
