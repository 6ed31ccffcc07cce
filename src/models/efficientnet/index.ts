export { EfficientNetFeatures, type Features, GET_ONE } from './features.js';
export { openEfficientNet } from './open.js';
