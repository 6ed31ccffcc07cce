/** Opens published weights of EfficientNet-Lite0, whichever way they are stored. */
import { closeSync, existsSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../errors.js';
import { openRegularSync, unreadable } from '../../files/regular-file.js';
import { isTorchFile, openSafetensors, readTorchFile } from '../../tensor/index.js';
import { EfficientNetFeatures, GET_ONE } from './features.js';

/**
 * @param place   a safetensors file, PyPI's .pth file, or a folder with `model.safetensors` or one .pth
 * @param device  the device that it computes on, as named by `resolveDevice`
 * @throws InputError if there is none, or it is another network
 */
export function openEfficientNet(place: string, device = 'cpu'): EfficientNetFeatures {
  const path = fileAt(place);
  if (!isTorchFile(beginning(path))) {
    const file = openSafetensors(path);
    try {
      return new EfficientNetFeatures(file, path, device);
    } finally {
      file.close();
    }
  }
  const tensors = readTorchFile(path);
  try {
    const get = (name: string) => tensors.get(name)!;
    const [keys, has] = [() => tensors.keys(), (name: string) => tensors.has(name)];
    return new EfficientNetFeatures({ keys, has, get }, path, device);
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

function fileAt(place: string): string {
  const stats = statSync(place, { throwIfNoEntry: false });
  if (!stats) throw new InputError(`${place}: no such file or folder; ${GET_ONE}`);
  if (!stats.isDirectory()) return place;
  const single = join(place, 'model.safetensors');
  if (existsSync(single)) return single;
  const [found, another] = readdirSync(place).filter((name) => /\.(pth|safetensors)$/.test(name));
  if (found !== undefined && another === undefined) return join(place, found);
  const what = another ? `has ${found} and ${another}: name one` : 'has neither';
  throw new InputError(
    `${place}: must hold model.safetensors or one .pth file, ${what}; ${GET_ONE}`,
  );
}

/** A file's first bytes. */
function beginning(path: string): Buffer {
  const start = Buffer.alloc(32);
  try {
    const file = openRegularSync(path);
    try {
      return start.subarray(0, readSync(file, start));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
}
