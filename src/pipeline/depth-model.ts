/** Opens depth models by name: a folder, a download, or a pipeline that carries one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../errors.js';
import { type DepthModel, openDepthModel } from '../models/depth-anything/index.js';
import type { DType } from '../tensor/index.js';
import { resolvePipeline } from './find.js';
import { depthFolderOf } from './folder.js';

/** A depth model that suits every pipeline, and what to do where there is none. */
const PUBLISHED = 'depth-anything/Depth-Anything-V2-Small-hf';
export const GET_DEPTH_MODEL = `fetch one with \`mfm pull ${PUBLISHED}\` and name it with \`depthModel: '${PUBLISHED}'\``;

/**
 * Opens a model that estimates relative depth; see `openDepthModel`.
 *
 * @param nameOrFolder   the model's, or that of a pipeline with a depth model
 * @throws InputError if there is none, or it estimates distances
 */
export function openRelativeDepth(
  nameOrFolder: string,
  options: { dtype?: DType | 'auto'; device?: string } = {},
): DepthModel {
  const named = resolvePipeline(nameOrFolder);
  const isPipeline = existsSync(join(named, 'model_index.json'));
  const folder = isPipeline ? depthFolderOf(named) : named;
  if (folder === null) throw new InputError(`${named}: has no depth model; ${GET_DEPTH_MODEL}`);
  const model = openDepthModel(folder, options);
  if (model.network.config.depth_estimation_type !== 'metric') return model;
  model.network.dispose();
  throw new InputError(
    `${folder}: estimates distances (depth_estimation_type: metric), and relative depth is needed, in which larger is nearer; name a model such as ${PUBLISHED}`,
  );
}
