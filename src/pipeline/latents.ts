/** Converts between the autoencoder's latents and the transformer's. */
import type { Tensor } from '../tensor/index.js';

/**
 * The transformer works on the autoencoder's latents times this factor, whatever the autoencoder's
 * own `scaling_factor` is. Source: reference implementation
 */
export const LATENTS_SCALE = 0.958917567;

export const toModelLatents = (latents: Tensor): Tensor => latents.mul(LATENTS_SCALE);
export const fromModelLatents = (latents: Tensor): Tensor => latents.mul(1 / LATENTS_SCALE);
