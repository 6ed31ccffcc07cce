/** The pipelines that the server offers, and what is known of each. */
import { existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { InputError } from '../errors.js';
import type { EngineChild } from './engine/child.js';
import type { ModelFacts, OpenSpec, TaskFacts } from './engine/messages.js';
import { badRequest, HttpError } from './errors.js';
import type { ModelView } from './schemas/model.js';

export interface Model {
  id: string;
  /** absolute */
  folder: string;
  createdMs: number;
  facts: ModelFacts;
}

export interface ModelOptions {
  device?: string;
  dtype?: OpenSpec['dtype'];
  depthModel?: string;
}

export class Models {
  private readonly models = new Map<string, Model>();

  constructor(
    private readonly checker: EngineChild,
    private readonly options: ModelOptions,
  ) {}

  /**
   * Opens a pipeline, a folder or ORG/NAME, to see what it is. @throws ToldError with the library's
   * sentence; InputError if another one has its name
   */
  async add(name: string, id = nameOf(name)): Promise<Model> {
    const pipeline = existsSync(name) ? resolve(name) : name;
    const facts = await this.checker.call('open', { open: this.specOf(pipeline, []) });
    const known = this.models.get(id);
    if (known?.folder === facts.folder) return known;
    if (known) {
      throw new InputError(
        `${facts.folder}: is called "${id}" in requests, and so is ${known.folder}; rename one of the folders`,
        { field: 'pipelines' },
      );
    }
    const model = { id, folder: facts.folder, createdMs: Date.now(), facts };
    this.models.set(id, model);
    return model;
  }

  remove(id: string): void {
    this.models.delete(id);
  }

  all(): Model[] {
    return [...this.models.values()];
  }

  /** The first one, or that of this name. @throws HttpError if there is none */
  get(id?: string): Model {
    const model = id === undefined ? this.all()[0] : this.models.get(id);
    if (model) return model;
    throw new HttpError(
      404,
      'model_not_found',
      `model: there is no "${id}" here; leave it out, or name one of ${[...this.models.keys()].join(', ')}`,
      { param: 'model' },
    );
  }

  task(model: Model, id: string): TaskFacts {
    const task = model.facts.tasks.find((one) => one.id === id);
    if (task) return task;
    const ids = model.facts.tasks.map((one) => one.id);
    throw badRequest(`task: there is no "${id}"; name one of ${ids.join(', ')}`, 'task');
  }

  openOf = (id: string, loras: OpenSpec['loras']): OpenSpec =>
    this.specOf(this.get(id).folder, loras);

  private specOf(pipeline: string, loras: OpenSpec['loras']): OpenSpec {
    return { pipeline, ...this.options, loras };
  }

  view(model: Model, engine: EngineChild): ModelView {
    const { id, folder, facts, createdMs } = model;
    const loaded = engine.opened === folder;
    return {
      id,
      object: 'model',
      created: Math.floor(createdMs / 1000),
      owned_by: 'mfm',
      default: this.all()[0] === model,
      loaded,
      folder: basename(folder),
      device: facts.device,
      dtype: facts.dtype,
      tasks: facts.tasks.filter(({ trained }) => trained).map((task) => task.id),
      parts: facts.parts,
      memory_bytes: loaded ? engine.memoryBytes : null,
    };
  }
}

/** A pipeline's name: its folder's, or its run's for runs/NAME/pipeline. */
function nameOf(name: string): string {
  const folder = resolve(name);
  return basename(folder) === 'pipeline' ? basename(dirname(folder)) : basename(folder);
}
