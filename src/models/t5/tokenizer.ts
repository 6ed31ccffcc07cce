/** Prompts to token ids, as the pipeline feeds them to the text encoder; and fresh tokenizers. */
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { InputError } from '../../errors.js';
import { readRegularSync } from '../../regular-file.js';
import { fromArray, type Tensor } from '../../tensor/index.js';

/** Tokens of a prompt, the closing one and the padding included. */
export const PROMPT_LENGTH = 77;

/** The two files of a tokenizer folder, as parsed JSON. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
}

/** One tokenized prompt: ids and 1 for what is not padding. */
export interface TokenizedPrompt {
  ids: number[];
  mask: number[];
}

/** Reads tokenizer.json and, if there is one, tokenizer_config.json of a folder. */
export function tokenizerFiles(folder: string): TokenizerFiles {
  const tokenizer = readJson(join(folder, 'tokenizer.json'), true);
  const config = readJson(join(folder, 'tokenizer_config.json'), false);
  return { tokenizer: tokenizer!, config: config ?? {} };
}

export class PromptTokenizer {
  readonly padId: number;
  readonly eosId: number;
  private readonly tokenizer: Tokenizer;

  /** @throws InputError if the vocabulary lacks the padding or the closing token */
  constructor(files: TokenizerFiles, where = 'tokenizer') {
    // without an unknown token the library stops at words that it does not know
    const config = { unk_token: '<unk>', ...files.config };
    try {
      this.tokenizer = new Tokenizer(files.tokenizer as never, config as never);
    } catch (cause) {
      throw new InputError(`${where}: must be a tokenizer.json, got ${(cause as Error).message}`, {
        cause,
      });
    }
    this.padId = this.special(where, tokenText(config, 'pad_token') ?? '<pad>');
    this.eosId = this.special(where, tokenText(config, 'eos_token') ?? '</s>');
  }

  /** Opens a folder with tokenizer.json and, if there is one, tokenizer_config.json. */
  static open(folder: string): PromptTokenizer {
    return new PromptTokenizer(tokenizerFiles(folder), folder);
  }

  /** A prompt in lower case without space around it: at most 76 tokens, `</s>`, padding to 77. */
  encode(prompt: string, length = PROMPT_LENGTH): TokenizedPrompt {
    const text = prompt.toLowerCase().trim();
    // the empty prompt is no token at all, whatever the pre-tokenizer would prepend
    const encoded = text
      ? this.tokenizer.encode(text, { add_special_tokens: false }).ids.map(Number)
      : [];
    const ids = [...encoded.slice(0, length - 1), this.eosId];
    const padding = length - ids.length;
    return {
      ids: [...ids, ...new Array<number>(padding).fill(this.padId)],
      mask: [...ids.map(() => 1), ...new Array<number>(padding).fill(0)],
    };
  }

  /** Prompts → ids and mask, both int64 [B, L]. */
  encodeBatch(
    prompts: string[],
    length = PROMPT_LENGTH,
  ): { inputIds: Tensor; attentionMask: Tensor } {
    const encoded = prompts.map((prompt) => this.encode(prompt, length));
    const stack = (rows: number[][]) =>
      fromArray(BigInt64Array.from(rows.flat(), BigInt), [prompts.length, length]);
    return {
      inputIds: stack(encoded.map(({ ids }) => ids)),
      attentionMask: stack(encoded.map(({ mask }) => mask)),
    };
  }

  /** What the ids say, special tokens left out. */
  decode(ids: number[]): string {
    return this.tokenizer.decode(ids, { skip_special_tokens: true });
  }

  private special(where: string, token: string): number {
    const id = this.tokenizer.token_to_id(token);
    if (id === undefined) {
      throw new InputError(`${where}: the vocabulary must hold ${token}, and does not`);
    }
    return Number(id);
  }
}

/** Pieces of words that are in no list, so that any prompt can be written. */
const CHARACTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789.,:;!?#\'"()-_/&+%'];

/**
 * A small tokenizer in T5's layout (0 `<pad>`, 1 `</s>`, 2 `<unk>`): every word of the list is one
 * token, anything else is spelt. The files open in other tools too.
 *
 * @param words lower-case words as they stand between spaces, e.g. `cube`, `#task:`
 */
export function buildTokenizer(words: Iterable<string>): TokenizerFiles & { vocabSize: number } {
  const unique = [...new Set([...words].map((word) => word.toLowerCase().trim()))].filter(Boolean);
  const vocab: [string, number][] = [
    ['<pad>', 0],
    ['</s>', 0],
    ['<unk>', 0],
  ];
  const pieces = new Set(vocab.map(([piece]) => piece));
  const add = (piece: string, score: number) => {
    if (pieces.has(piece)) return;
    pieces.add(piece);
    vocab.push([piece, score]);
  };
  // log-probabilities: one word is always likelier than its letters
  for (const word of unique) add(`▁${word}`, -2);
  for (const character of ['▁', ...CHARACTERS, ...unique.join('')]) add(character, -10);

  const special = ['<pad>', '</s>', '<unk>'];
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace],
    },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
        { SpecialToken: { id: '</s>', type_id: 0 } },
      ],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: metaspace,
    model: { type: 'Unigram', unk_id: 2, vocab, byte_fallback: false },
  };
  const config = {
    tokenizer_class: 'T5Tokenizer',
    pad_token: '<pad>',
    eos_token: '</s>',
    unk_token: '<unk>',
    extra_ids: 0,
    additional_special_tokens: [],
    model_max_length: PROMPT_LENGTH,
    clean_up_tokenization_spaces: true,
  };
  return { tokenizer, config, vocabSize: vocab.length };
}

/** A special token is stored as its text or as an object around it. */
function tokenText(config: Record<string, unknown>, key: string): string | undefined {
  const value = config[key];
  if (typeof value === 'string') return value;
  if (value && typeof value === 'object' && 'content' in value) return String(value.content);
  return undefined;
}

function readJson(path: string, required: boolean): Record<string, unknown> | null {
  let text: string;
  try {
    text = readRegularSync(path).toString('utf8');
  } catch (cause) {
    if (cause instanceof InputError) throw cause;
    if (!required && (cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new InputError(`${path}: must be a readable file, got ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new InputError(`${path}: must be JSON, got ${(cause as Error).message}`, { cause });
  }
}
