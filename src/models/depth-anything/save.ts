/** Writes a depth model's folder. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFailure } from '../../files/write-failure.js';
import { type DType, saveSafetensors, type Tensor, tidy } from '../../tensor/index.js';
import type { DepthAnything } from './depth-anything.js';
import type { DepthProcessorConfig } from './processor.js';

/**
 * Writes a folder that `openDepthModel` opens, atomically: an older one stays in place until the new
 * one is complete.
 *
 * @param dtype   dtype of the stored weights
 * @throws JobError if the disk is full; the incomplete folder is removed
 */
export function saveDepthModel(
  folder: string,
  { network, processor }: { network: DepthAnything; processor: DepthProcessorConfig },
  dtype: DType,
): void {
  const target = resolve(folder);
  const temporary = `${target}.${process.pid}.tmp`;
  rmSync(temporary, { recursive: true, force: true });
  const json = (name: string, value: unknown) =>
    writeFileSync(join(temporary, name), `${JSON.stringify(value, null, 2)}\n`, { flush: true });
  try {
    mkdirSync(temporary, { recursive: true });
    json('config.json', {
      architectures: ['DepthAnythingForDepthEstimation'],
      ...network.config,
      torch_dtype: dtype,
    });
    json('preprocessor_config.json', { image_processor_type: 'DPTImageProcessor', ...processor });
    tidy(() => {
      const tensors = new Map<string, Tensor>();
      for (const [name, tensor] of network.stateDict()) tensors.set(name, tensor.to(dtype));
      saveSafetensors(join(temporary, 'model.safetensors'), tensors, { format: 'pt' });
    });
  } catch (cause) {
    rmSync(temporary, { recursive: true, force: true });
    throw writeFailure(target, cause);
  }
  const old = `${target}.${process.pid}.old`;
  if (existsSync(target)) renameSync(target, old);
  renameSync(temporary, target);
  rmSync(old, { recursive: true, force: true });
}
