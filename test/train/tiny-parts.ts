/** Parts of recipes that train in seconds. */

export const TINY_SIZE = { width: 16, height: 16 };

export const TINY_AUTOENCODER = { ...TINY_SIZE, blockOutChannels: [8, 8, 8, 8] };

export const TINY_TEXT_ENCODER = { width: 32, numLayers: 1 };

export const TINY_TRANSFORMER = {
  ...TINY_SIZE,
  numLayers: 1,
  numHeads: 1,
  adapterChannels: [8, 8, 8, 8, 8],
  numFrames: 5,
};
