/** Recognises, by name, tensors in LoRA files that are not low-rank changes of a transformer. */
import { shortList } from './module.js';

/**
 * Kinds by the beginning or end of a tensor's name, the most specific first.
 * Source: diffusers, kohya-ss, LyCORIS, PEFT
 */
const KINDS: readonly [RegExp, string][] = [
  [
    /(^|\.)(text_encoders?|text_model|cond_stage_model|conditioner)(_\d)?\.|^lora_te\d?_/,
    'a text encoder',
  ],
  [
    /^(unet\.|lora_unet_|down_blocks\.|up_blocks\.|mid_block\.)/,
    'a U-Net, as Stable Diffusion has',
  ],
  [/^(vae\.|first_stage_model\.|lora_vae_)/, 'an autoencoder'],
  [/\.(dora_scale|lora_magnitude_vector)(\.|$)/, 'DoRA'],
  [/\.hada_(w|t)\d/, 'LoHa'],
  [/\.lokr_(w|t)\d/, 'LoKr'],
  [/\.(oft_(blocks|R)|oft_diag|boft_)/, 'OFT'],
  [/\.(lora_mid|on_input|lora_embedding_[AB]|diff|diff_b|w_norm|b_norm)(\.|$)/, 'LyCORIS'],
  [/\.(lora_[AB]|lora_up|lora_down)(\.default)?\.bias$/, 'LoRA with a bias'],
];

/**
 * Unsupported tensors, grouped by kind: "2 tensors of a text encoder (NAME, NAME), which is not
 * supported"; those of no known kind as "unknown 2 tensors (…)".
 */
export function foreignTensors(names: readonly string[]): string[] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const kind = KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? '';
    groups.set(kind, [...(groups.get(kind) ?? []), name]);
  }
  return [...groups].map(([kind, group]) => {
    const count = `${group.length} tensor${group.length === 1 ? '' : 's'}`;
    return kind === ''
      ? `unknown ${count} (${shortList(group)})`
      : `${count} of ${kind} (${shortList(group)}), which is not supported`;
  });
}
