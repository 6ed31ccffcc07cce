/** Selects the files of a repository to download. */
import { InputError } from '../errors.js';

export interface Selection {
  /** globs; `*` also matches across folders. If empty, the default selection of `isRead`. */
  include: readonly string[];
  exclude: readonly string[];
}

/** Weight formats of other programs. */
const OTHER_WEIGHTS = /\.(bin|pt|pth|ckpt|msgpack|h5|ot|tflite|gguf|onnx|onnx_data|mlmodel|pb)$/;
/** Media on the repository's page, and leftovers of git and of training. */
const NEVER_READ =
  /\.(png|jpe?g|gif|webp|avif|svg|mp4|webm|mov|mp3|wav|pdf|zip|tar|gz)$|(^|\/)\.git|(^|\/)(events\.out\.tfevents|optimizer\.|training_args)/i;
/**
 * `model.fp16.safetensors`, `model.fp16-00001-of-00002.safetensors`,
 * `model.safetensors.index.fp16.json`
 */
const VARIANT = /\.(fp16|bf16|fp32|fp8|int8|ema|non_ema)(?=[.-])/;

/** Splits names into chosen ones and others, in the given order. */
export function selectFiles(
  names: readonly string[],
  { include, exclude }: Selection,
): { chosen: string[]; left: string[] } {
  const wanted = include.map(glob);
  const unwanted = exclude.map(glob);
  const folders = new Folders(names);
  const isChosen = (name: string) =>
    (wanted.length > 0 ? wanted.some((g) => g.test(name)) : isRead(name, folders)) &&
    !unwanted.some((g) => g.test(name));
  return {
    chosen: names.filter(isChosen),
    left: names.filter((name) => !isChosen(name)),
  };
}

/** Default selection: everything not known to be useless, since texts and configurations are small. */
function isRead(name: string, folders: Folders): boolean {
  if (NEVER_READ.test(name)) return false;
  // if there are no other weights, Python tools may still need these
  if (OTHER_WEIGHTS.test(name)) return !folders.hasSafetensors(name);
  return !(VARIANT.test(name) && folders.hasPlainWeights(name));
}

class Folders {
  private readonly safetensors = new Set<string>();
  private readonly plain = new Set<string>();

  constructor(names: readonly string[]) {
    for (const name of names.filter((n) => n.endsWith('.safetensors'))) {
      this.safetensors.add(folderOf(name));
      if (!VARIANT.test(name)) this.plain.add(folderOf(name));
    }
  }

  hasSafetensors(name: string): boolean {
    return this.safetensors.has(folderOf(name));
  }

  hasPlainWeights(name: string): boolean {
    return this.plain.has(folderOf(name));
  }
}

function folderOf(name: string): string {
  return name.slice(0, name.lastIndexOf('/') + 1);
}

/**
 * Globs like those of Python's fnmatch, which huggingface_hub uses: `*`, `?`, `[a-c]`, `[!a]`;
 * `vae/` is `vae/*`.
 */
export function glob(pattern: string): RegExp {
  const whole = pattern.endsWith('/') ? `${pattern}*` : pattern;
  const source = whole.replace(/\[!?\]?[^\]]*\]|[\s\S]/g, (piece) => {
    if (piece === '*') return '[\\s\\S]*';
    if (piece === '?') return '[\\s\\S]';
    if (piece.length === 1) return piece.replace(/[\\^$.|+(){}[\]]/, '\\$&');
    const set = piece.slice(1, -1).replace(/[\\\]]/g, '\\$&');
    return set.startsWith('!') ? `[^${set.slice(1)}]` : `[${set.replace(/^\^/, '\\^')}]`;
  });
  try {
    return new RegExp(`^${source}$`);
  } catch (cause) {
    throw new InputError(`${pattern}: is not a glob like "*.json" or "vae/*"`, { cause });
  }
}
