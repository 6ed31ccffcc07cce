/** How the autoencoder's latents become the transformer's, and how many there are. */
import type { Tensor } from '../tensor/index.js';

/**
 * The transformer works on the autoencoder's latents times this, whatever the autoencoder's own
 * `scaling_factor` says. Source: reference implementation
 */
export const LATENTS_SCALE = 0.958917567;

export const toModelLatents = (latents: Tensor): Tensor => latents.mul(LATENTS_SCALE);
export const fromModelLatents = (latents: Tensor): Tensor => latents.mul(1 / LATENTS_SCALE);
