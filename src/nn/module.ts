/**
 * Module: a tree of named parameters. Names are given where a parameter or child is created, spelt
 * as in published checkpoints, so `namedParameters` has the keys of the reference's `state_dict`.
 */
import { InputError } from '../errors.js';
import { short } from '../files/read-json.js';
import { type DType, noGrad, type SafetensorsFile, type Tensor, tidy } from '../tensor/index.js';

/** Where parameters are loaded from: an open file, several merged into a Map, or plain tensors. */
export type StateSource =
  | Pick<SafetensorsFile, 'keys' | 'get' | 'has'>
  | Map<string, Tensor>
  | Record<string, Tensor>;

export interface LoadOptions {
  /** refuse parameters missing from the source and tensors that no parameter takes; default true */
  strict?: boolean;
  /** convert to this dtype; default: as stored */
  dtype?: DType;
  /** load only names with this prefix, which is stripped */
  prefix?: string;
  /** what error messages start with, e.g. the file */
  where?: string;
}

export abstract class Module {
  training = true;
  #parameters: { name: string; property: string }[] = [];
  #children: { name: string; module: Module }[] = [];

  /** Registers a parameter under its checkpoint name; it lives until replaced or disposed. */
  protected param(name: string, tensor: Tensor, property = name): Tensor {
    this.#parameters.push({ name, property });
    return tensor.keep().requiresGrad_();
  }

  protected child<M extends Module>(name: string, module: M): M {
    this.#children.push({ name, module });
    return module;
  }

  /** Children `name.0`, `name.1`, … */
  protected childList<M extends Module>(name: string, modules: M[]): M[] {
    modules.forEach((module, i) => {
      this.child(`${name}.${i}`, module);
    });
    return modules;
  }

  /** All parameters by full name, own ones first, in the order of registration. */
  namedParameters(prefix = ''): Map<string, Tensor> {
    const all = new Map<string, Tensor>();
    this.visit(prefix, (name, module, property) => all.set(name, module.read(property)));
    return all;
  }

  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** Number of elements of all parameters. */
  parameterCount(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.numel, 0);
  }

  modules(): Module[] {
    return [...this.namedModules().values()];
  }

  /** This module (named '') and all modules within it, by full name, parents before children. */
  namedModules(prefix = ''): Map<string, Module> {
    const inside = this.#children.flatMap(({ name, module }) => [
      ...module.namedModules(prefix === '' ? name : `${prefix}.${name}`),
    ]);
    return new Map([[prefix, this as Module], ...inside]);
  }

  /** The detached parameters by name, as a checkpoint stores them. */
  stateDict(): Map<string, Tensor> {
    return new Map([...this.namedParameters()].map(([name, tensor]) => [name, tensor.detach()]));
  }

  /**
   * Takes the parameters from `source`, without copying those whose dtype already fits, so that
   * memory-mapped weights stay mapped.
   * @throws InputError listing missing, unexpected and misshapen tensors (first five and count)
   */
  loadStateDict(source: StateSource, options: LoadOptions = {}): void {
    const { strict = true, dtype, prefix = '', where = 'weights' } = options;
    const read = reader(source);
    const given = new Set(
      read.keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length)),
    );
    const missing: string[] = [];
    const misshapen: string[] = [];
    const found: { module: Module; property: string; stored: Tensor }[] = [];
    this.visit('', (name, module, property) => {
      if (!given.delete(name)) {
        missing.push(name);
        return;
      }
      const current = module.read(property);
      tidy(() => {
        const stored = read.get(prefix + name);
        if (stored.shape.join() !== current.shape.join()) {
          misshapen.push(
            `${name} must be [${current.shape.join(', ')}], got [${stored.shape.join(', ')}]`,
          );
          return;
        }
        found.push({ module, property, stored: stored.keep() });
      });
    });
    const problems = [
      listed('missing', missing),
      strict ? listed('unexpected', [...given]) : '',
      listed('misshapen', misshapen),
    ].filter((problem, i) => problem !== '' && (strict || i === 2));
    if (problems.length > 0) {
      for (const { stored } of found) stored.dispose();
      throw new InputError(`${where}: ${problems.join('; ')}`);
    }
    for (const { module, property, stored } of found) {
      module.replace(property, () => stored.to(dtype ?? stored.dtype));
      if (module.read(property) !== stored) stored.dispose();
    }
  }

  train(on = true): this {
    for (const module of this.modules()) module.training = on;
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  requiresGrad_(on: boolean): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(on);
    return this;
  }

  /** Converts every parameter; gradients are dropped. */
  toDtype(dtype: DType): this {
    return this.moveTo(null, dtype);
  }

  /** Moves parameters one by one to a device (null: unchanged) and dtype; gradients are dropped. */
  moveTo(device: string | null, dtype: DType): this {
    this.visit('', (_, module, property) => {
      const current = module.read(property);
      const place = device ?? current.device;
      if (current.dtype === dtype && current.device === place) return;
      // converted before it is moved: in 16 bits, half as much is transferred
      module.replace(property, () => tidy(() => current.detach().to(dtype).to(place)));
    });
    return this;
  }

  /** The device of its parameters, which must all be on the same one. */
  get device(): string {
    const first = this.firstParameter();
    if (!first) throw new TypeError(`${this.constructor.name}: has no parameters, so no device`);
    return first.device;
  }

  private firstParameter(): Tensor | null {
    const [own] = this.#parameters;
    if (own) return this.read(own.property);
    for (const { module } of this.#children) {
      const found = module.firstParameter();
      if (found) return found;
    }
    return null;
  }

  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Frees every parameter. */
  dispose(): void {
    for (const parameter of this.parameters()) parameter.dispose();
  }

  private visit(
    prefix: string,
    each: (name: string, module: Module, property: string) => void,
  ): void {
    for (const { name, property } of this.#parameters) each(prefix + name, this, property);
    for (const { name, module } of this.#children) module.visit(`${prefix}${name}.`, each);
  }

  private read(property: string): Tensor {
    return (this as unknown as Record<string, Tensor>)[property]!;
  }

  private replace(property: string, make: () => Tensor): void {
    const old = this.read(property);
    const { requiresGrad } = old;
    const fresh = noGrad(() => make()).keep();
    (this as unknown as Record<string, Tensor>)[property] = fresh.requiresGrad_(requiresGrad);
    if (fresh !== old) old.dispose();
  }
}

function reader(source: StateSource): { keys: string[]; get: (name: string) => Tensor } {
  if (source instanceof Map) {
    return { keys: [...source.keys()], get: (name) => source.get(name)!.detach() };
  }
  if (typeof source.keys === 'function') {
    const file = source as Pick<SafetensorsFile, 'keys' | 'get'>;
    return { keys: file.keys(), get: (name) => file.get(name) };
  }
  const record = source as Record<string, Tensor>;
  return { keys: Object.keys(record), get: (name) => record[name]!.detach() };
}

/** "missing 12 tensors (a, b, c, d, e, …)"; '' if there are none */
export function listed(kind: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  return `${kind} ${names.length} tensor${names.length === 1 ? '' : 's'} (${shortList(names)})`;
}

/** The first five names, each of a bounded length. */
export function shortList(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => short(name));
  return shown.join(', ') + (names.length > 5 ? ', …' : '');
}
