/** Turning prompts into token ids for the text encoder, and building new tokenizers. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { InputError } from '../../errors.js';
import { readJsonObject, short } from '../../files/read-json.js';
import { fromArray, type Tensor } from '../../tensor/index.js';
import { withTimeLimit } from '../../time-limit.js';

/** Tokens of an encoded prompt, including the end token and padding. */
export const PROMPT_LENGTH = 77;

/** The two files of a tokenizer folder, as parsed JSON. */
export interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
}

/** One tokenized prompt: ids, and a mask that is 1 except on padding. */
export interface TokenizedPrompt {
  ids: number[];
  mask: number[];
}

/** No real prompt is longer, and some tokenizers take time quadratic in the length. */
const MOST_CHARACTERS = 100_000;
/** Time limit for one prompt; usually it takes about a millisecond. */
const ENCODING_MS = 10_000;

/** A prompt that is longer than the text encoder reads. */
export interface CutPrompt {
  /** tokens of the whole prompt, without the end token */
  tokens: number;
  /** how many of them, from the start, are read */
  read: number;
  /** the text of the others */
  leftOut: string;
}

/** Reads a folder's tokenizer.json and, if there is one, its tokenizer_config.json. */
export function tokenizerFiles(folder: string): TokenizerFiles {
  const config = join(folder, 'tokenizer_config.json');
  return {
    tokenizer: readJsonObject(join(folder, 'tokenizer.json')),
    config: existsSync(config) ? readJsonObject(config) : {},
  };
}

export class PromptTokenizer {
  readonly padId: number;
  readonly eosId: number;
  private readonly tokenizer: Tokenizer;
  private readonly encodingMs: number;

  /**
   * @param where   start of error messages
   * @param options.encodingMs   time limit for one prompt
   * @throws InputError if the vocabulary lacks the padding token or the end token
   */
  constructor(
    files: TokenizerFiles,
    private readonly where = 'tokenizer',
    { encodingMs = ENCODING_MS } = {},
  ) {
    this.encodingMs = encodingMs;
    // without an unknown token the library fails on words that it does not know
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

  /**
   * Encodes a prompt, lower-cased and trimmed: at most 76 tokens, then `</s>` and padding up to 77.
   * @throws InputError if the tokenizer's own patterns take too long on it
   */
  encode(prompt: string, length = PROMPT_LENGTH): TokenizedPrompt {
    const ids = [...this.tokensOf(prompt).slice(0, length - 1), this.eosId];
    const padding = length - ids.length;
    return {
      ids: [...ids, ...new Array<number>(padding).fill(this.padId)],
      mask: [...ids.map(() => 1), ...new Array<number>(padding).fill(0)],
    };
  }

  /**
   * The part of a prompt that `encode` cuts off; null if all of it is read.
   * @param prompt   the prompt as it is encoded, including added words and the task tag
   */
  cutOff(prompt: string, length = PROMPT_LENGTH): CutPrompt | null {
    const tokens = this.tokensOf(prompt);
    const read = length - 1; // one place is for the end token
    if (tokens.length <= read) return null;
    return { tokens: tokens.length, read, leftOut: this.decode(tokens.slice(read)) };
  }

  private tokensOf(prompt: string): number[] {
    if (prompt.length > MOST_CHARACTERS) {
      throw new InputError(
        `prompt: must have at most ${MOST_CHARACTERS} characters, got ${prompt.length}; shorten it to a few sentences`,
      );
    }
    const text = prompt.toLowerCase().trim();
    // an empty prompt has no tokens, whatever the pre-tokenizer would prepend
    if (!text) return [];
    const encode = (): number[] =>
      this.tokenizer.encode(text, { add_special_tokens: false }).ids.map(Number);
    const ids = withTimeLimit(
      () => this.understood(encode),
      this.encodingMs,
      () =>
        new InputError(
          `${this.where}: takes more than ${this.encodingMs / 1000} s for a prompt, since its patterns backtrack without end; use the tokenizer that the pipeline was published with`,
        ),
    );
    if (ids.every((id) => Number.isSafeInteger(id) && id >= 0)) return ids;
    throw new InputError(
      `${this.where}: yields token ids that are not whole numbers; its vocabulary is damaged, so download it again`,
    );
  }

  /** Calls the library; any error is attributed to the tokenizer's files. */
  private understood<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw new InputError(
        `${this.where}: tokenizer.json cannot be used (${short((cause as Error).message)}); use the one that the pipeline was published with`,
        { cause },
      );
    }
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

  /** The text of token ids, without special tokens. */
  decode(ids: number[]): string {
    return this.understood(() => this.tokenizer.decode(ids, { skip_special_tokens: true }));
  }

  private special(where: string, token: string): number {
    const id = this.tokenizer.token_to_id(token);
    if (id === undefined) {
      throw new InputError(`${where}: the vocabulary must contain ${token}, but does not`);
    }
    return Number(id);
  }
}

/** Pieces with which words outside the list are spelt, so that any prompt can be encoded. */
const CHARACTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789.,:;!?#\'"()-_/&+%'];

/**
 * A small tokenizer in T5's layout (0 `<pad>`, 1 `</s>`, 2 `<unk>`): every word of the list is one
 * token, anything else is spelt by characters. Other tools can read the files too.
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
  // log-probabilities, such that a whole word is always likelier than its characters
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

/** The text of a special token, which may be stored as a string or inside an object. */
function tokenText(config: Record<string, unknown>, key: string): string | undefined {
  const value = config[key];
  if (typeof value === 'string') return value;
  if (value && typeof value === 'object' && 'content' in value) return String(value.content);
  return undefined;
}
