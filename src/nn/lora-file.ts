/**
 * LoRA files as other programs write and read them: diffusers (`pytorch_lora_weights.safetensors`)
 * and PEFT (`adapter_model.safetensors` with `adapter_config.json`).
 *
 * Source: diffusers 0.42 `_save_lora_weights`, PEFT 0.21 `save_pretrained`
 */
import {
  closeSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InputError, JobError } from '../errors.js';
import { isObject, kindOf, parseJson, readJson } from '../files/read-json.js';
import {
  type DType,
  openSafetensors,
  otherKind,
  type SafetensorsFile,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../tensor/index.js';
import { findNotNumbers } from './finite.js';
import { type LoraWeights, linearsOf } from './lora.js';
import { foreignTensors } from './lora-kinds.js';
import { type AdapterSettings, adapterSettings, alphasFor, settingsOf } from './lora-settings.js';
import { listed, type Module } from './module.js';
import { GET_ANOTHER } from './weights.js';

export const LORA_LAYOUTS = ['diffusers', 'peft'] as const;
export type LoraLayout = (typeof LORA_LAYOUTS)[number];

export interface LoraFile {
  /** the safetensors file */
  file: string;
  layout: LoraLayout;
  /** the names of its tensors */
  keys: string[];
  dtype: DType;
  weights: LoraWeights;
}

const NAMES = {
  diffusers: 'pytorch_lora_weights.safetensors',
  peft: 'adapter_model.safetensors',
} as const;
const PEFT_CONFIG = 'adapter_config.json';
/** The metadata key under which diffusers keeps the settings, as JSON. */
const METADATA_KEY = 'lora_adapter_metadata';
/** Prefixes of layer names, as written in each layout; one more is accepted in reading. */
const PREFIXES = { diffusers: 'transformer.', peft: 'base_model.model.' } as const;
const READ_PREFIXES = [...Object.values(PREFIXES), 'diffusion_model.'];

/** A tensor's role in its layer, by the end of its name: as in PEFT, older diffusers and kohya. */
const ENDS: readonly [RegExp, 'a' | 'b' | 'alpha'][] = [
  [/\.(lora_A(\.default)?|lora_down|lora\.down)\.weight$/, 'a'],
  [/\.(lora_B(\.default)?|lora_up|lora\.up)\.weight$/, 'b'],
  [/\.alpha$/, 'alpha'],
];

/**
 * Reads a file or a folder in either layout; its tensors stay memory-mapped.
 *
 * @param model   the network that it must fit; null skips that check
 * @throws InputError listing in one sentence what is unknown, missing or misshapen
 */
export function readLora(path: string, model: Module | null = null): LoraFile {
  const { file, settings: peftSettings } = located(path);
  const open = openSafetensors(file);
  try {
    const keys = open.keys();
    const raw = open.metadata[METADATA_KEY];
    const settings = peftSettings ?? (raw === undefined ? null : diffusersSettings(raw, file));
    const { layers, unknown } = layersOf(keys);
    expectWhole({ open, layers, unknown, model });
    // these files are small, so every value can be checked up front
    const broken = findNotNumbers(keys.map((key) => [key, () => open.get(key)] as const));
    if (broken) throw new InputError(`${file}: ${broken}; ${GET_ANOTHER}`);
    const sizes = [...layers].map(([name, { a, alpha }]) => {
      const own = alpha === undefined ? null : tidy(() => open.get(alpha).item());
      return { name, rank: open.info(a!).shape[0]!, own };
    });
    const alphas = alphasFor(sizes, settings, file);
    const weights = new Map(
      [...layers].map(([name, { a, b }], i) => {
        return [name, { a: open.get(a!), b: open.get(b!), alpha: alphas[i]! }] as const;
      }),
    );
    const layout = peftSettings ? 'peft' : 'diffusers';
    return { file, layout, keys, dtype: open.info(keys[0]!).dtype, weights };
  } finally {
    open.close();
  }
}

/** Frees the tensors. */
export function disposeLora({ weights }: Pick<LoraFile, 'weights'>): void {
  for (const { a, b } of weights.values()) for (const tensor of [a, b]) tensor.dispose();
}

/**
 * Writes a folder in one of the layouts, each file atomically.
 *
 * @param dtype   of the stored tensors; default: unchanged
 * @returns the safetensors file
 * @throws JobError if it cannot be written
 */
export function saveLora(
  folder: string,
  weights: LoraWeights,
  { layout, dtype }: { layout: LoraLayout; dtype?: DType },
): string {
  const file = loraPath(folder, layout);
  const settings = settingsOf(weights);
  const prefix = PREFIXES[layout];
  const prefixed = Object.entries(settings).map(([key, value]) => [prefix + key, value]);
  const adapter = JSON.stringify(Object.fromEntries(prefixed), null, 2);
  tidy(() => {
    const tensors = [...weights].flatMap(([name, { a, b }]): [string, Tensor][] => [
      [`${prefix}${name}.lora_A.weight`, a.to(dtype ?? a.dtype)],
      [`${prefix}${name}.lora_B.weight`, b.to(dtype ?? b.dtype)],
    ]);
    const metadata: Record<string, string> =
      layout === 'diffusers' ? { [METADATA_KEY]: adapter } : {};
    saveSafetensors(file, new Map(tensors), { format: 'pt', ...metadata });
  });
  if (layout === 'peft') {
    const config = { ...settings, ...PEFT_CONSTANTS };
    writeText(join(folder, PEFT_CONFIG), `${JSON.stringify(config, null, 2)}\n`);
  }
  return file;
}

/** Path of the safetensors file that `saveLora` writes. */
export const loraPath = (folder: string, layout: LoraLayout): string => join(folder, NAMES[layout]);

/** Further keys that PEFT expects in its configuration. */
const PEFT_CONSTANTS = {
  peft_type: 'LORA',
  task_type: null,
  base_model_name_or_path: null,
  bias: 'none',
  fan_in_fan_out: false,
  inference_mode: true,
  init_lora_weights: true,
  lora_dropout: 0,
  modules_to_save: null,
  use_dora: false,
  use_rslora: false,
};

/** The safetensors file that `path` refers to. @throws InputError if there is none */
export const locateLora = (path: string): string => located(path).file;

/** The safetensors file that `path` refers to, with the settings beside it in PEFT's layout. */
function located(path: string): { file: string; settings: AdapterSettings | null } {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found)
    throw new InputError(
      `${path}: no such LoRA file or folder; give one as \`mfm train\` writes it`,
    );
  const within = (name: string) => statSync(join(path, name), { throwIfNoEntry: false })?.isFile();
  if (found.isDirectory()) {
    const name = Object.values(NAMES).find(within);
    if (name) return located(join(path, name));
    throw new InputError(
      `${path}: must contain ${Object.values(NAMES).join(' or ')}, but has neither; name a LoRA file, or a folder with one`,
    );
  }
  if (!path.endsWith('.safetensors')) {
    const other = found.isFile() ? kindOfFile(path) : null;
    if (other) throw new InputError(`${path}: is ${other}`);
    throw new InputError(`${path}: must be a .safetensors file or a folder with one`);
  }
  if (basename(path) !== NAMES.peft) return { file: path, settings: null };
  const config = join(dirname(path), PEFT_CONFIG);
  if (!statSync(config, { throwIfNoEntry: false })) {
    throw new InputError(`${path}: needs ${PEFT_CONFIG} beside it, which holds its scale`);
  }
  return { file: path, settings: adapterSettings(readJson(config), config) };
}

/** Which other kind of file it is, by its first bytes; null if unknown. */
function kindOfFile(path: string): string | null {
  const file = openSync(path, 'r');
  try {
    const start = Buffer.alloc(64);
    return otherKind(start.subarray(0, readSync(file, start)));
  } finally {
    closeSync(file);
  }
}

function diffusersSettings(raw: string, file: string): AdapterSettings {
  const where = `${file}: ${METADATA_KEY}`;
  const value = parseJson(raw, where);
  if (!isObject(value))
    throw new InputError(`${where}: must be a JSON object, got ${kindOf(value)}`);
  const entries = Object.entries(value).map(([key, setting]) => [
    key.startsWith(PREFIXES.diffusers) ? key.slice(PREFIXES.diffusers.length) : key,
    setting,
  ]);
  return adapterSettings(Object.fromEntries(entries), where);
}

/** The names in the file of one layer's tensors, by role. */
type Layer = Partial<Record<'a' | 'b' | 'alpha', string>>;

function layersOf(keys: readonly string[]) {
  const layers = new Map<string, Layer>();
  const unknown: string[] = [];
  for (const key of keys) {
    // the file may also hold tensors of other networks, under other prefixes
    const prefix = READ_PREFIXES.find((begin) => key.startsWith(begin)) ?? '';
    const name = key.slice(prefix.length);
    const end = ENDS.find(([pattern]) => pattern.test(name));
    if (!end) {
      unknown.push(key);
      continue;
    }
    const [pattern, part] = end;
    const layerName = name.replace(pattern, '');
    layers.set(layerName, { ...layers.get(layerName), [part]: key });
  }
  return { layers, unknown };
}

/** @throws InputError if tensors are not part of a LoRA, are missing, or do not fit the network */
function expectWhole({
  open,
  layers,
  unknown,
  model,
}: {
  open: SafetensorsFile;
  layers: ReadonlyMap<string, Layer>;
  unknown: string[];
  model: Module | null;
}): void {
  const missing: string[] = [];
  const misshapen: string[] = [];
  const linears = model && linearsOf(model);
  for (const [name, { a, b, alpha }] of layers) {
    const linear = linears?.get(name);
    if (linears && !linear) {
      unknown.push(...[a, b, alpha].filter((key) => key !== undefined));
      continue;
    }
    if (!a && !b) {
      missing.push(`both matrices of ${name}`);
      continue;
    }
    if (!a) missing.push(`${name}.lora_A.weight`);
    if (!b) missing.push(`${name}.lora_B.weight`);
    const numbers = alpha ? open.info(alpha).shape.reduce((x, y) => x * y, 1) : 1;
    if (numbers !== 1) misshapen.push(`${alpha} must be one number, got ${numbers}`);
    if (!a || !b) continue;
    const [down, up] = [open.info(a).shape, open.info(b).shape];
    const rank = down[0] ?? 0;
    const wanted = [
      [a, down, [rank, linear?.inFeatures ?? down[1] ?? 0]],
      [b, up, [linear?.outFeatures ?? up[0] ?? 0, rank]],
    ] as const;
    for (const [key, got, must] of wanted) {
      if (got.join() === must.join() && rank > 0) continue;
      misshapen.push(`${key} must be [${must.join(', ')}], got [${got.join(', ')}]`);
    }
  }
  const problems = [
    ...foreignTensors(unknown),
    listed('missing', missing),
    listed('misshapen', misshapen),
  ].filter((problem) => problem !== '');
  if (problems.length === 0 && layers.size > 0) return;
  const what = model ? 'is not a LoRA for this network' : 'is not a LoRA of a known layout';
  throw new InputError(`${open.path}: ${what}: ${problems.join('; ') || 'it has no tensors'}`);
}

function writeText(path: string, text: string): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new JobError(`${path}: could not be written (${(cause as Error).message})`, { cause });
  }
}
