export { feedForward, parseT5Config, T5Config } from './config.js';
export { type BucketOptions, relativePositionBucket } from './position.js';
export { T5Encoder, type T5Observer } from './t5.js';
export {
  buildTokenizer,
  type CutPrompt,
  PROMPT_LENGTH,
  PromptTokenizer,
  type TokenizedPrompt,
  type TokenizerFiles,
  tokenizerFiles,
} from './tokenizer.js';
