/** The public code's step, timed in parts by bench/peers/public_step.py and compared with ours. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transformer3D, type TransformerConfig } from '../src/models/transformer/index.js';
import { withParameters } from '../src/nn/index.js';
import {
  engineInfo,
  noGrad,
  openSafetensors,
  saveSafetensors,
  type Tensor,
  tidy,
} from '../src/tensor/index.js';
import { differenceLine } from './difference.js';
import { median } from './measure.js';
import { Peer } from './peer.js';
import { randomise } from './random-weights.js';
import { prepare, release, type StepInputs, step } from './step.js';

type PeerDType = 'bfloat16' | 'float32';
const PARTS = ['forward', 'block', 'adapter'] as const;
type Part = (typeof PARTS)[number];

interface StartOptions {
  /** of a model with one block */
  config: TransformerConfig;
  inputs: StepInputs;
  /** folder with a checkout of the public code */
  checkout: string;
  python: string;
  dtypes: PeerDType[];
}

export class PublicStep {
  /** Seconds by dtype and part. */
  readonly #seconds = new Map<PeerDType, Record<Part, number[]>>();

  private constructor(
    readonly peer: Peer,
    dtypes: PeerDType[],
  ) {
    for (const dtype of dtypes) this.#seconds.set(dtype, { forward: [], block: [], adapter: [] });
  }

  /** Starts the peer, prints how its output differs from ours, and frees the inputs. */
  static async start(options: StartOptions): Promise<PublicStep> {
    const { config, inputs, checkout, python, dtypes } = options;
    const folder = mkdtempSync(join(tmpdir(), 'mfm-step-'));
    const file = (name: string) => join(folder, name);
    try {
      const model = withParameters({ dtype: 'bfloat16' }, () => new Transformer3D(config));
      model.requiresGrad_(false);
      randomise(model);
      writeFileSync(file('config.json'), JSON.stringify(config));
      saveSafetensors(file('weights.safetensors'), model.stateDict());
      saveSafetensors(file('inputs.safetensors'), { ...inputs });
      const paths = ['config.json', 'weights.safetensors', 'inputs.safetensors'].map(file);
      const { threads } = engineInfo();
      const peer = new Peer('public_step.py', python, [checkout, ...paths, threads]);
      console.log(`peer: ${await peer.answer()}`);
      const it = new PublicStep(peer, dtypes);

      const outputs: [string, Tensor][] = [];
      for (const dtype of dtypes) {
        const output = file(`${dtype}.safetensors`);
        await it.#ask('forward', dtype, output);
        const stored = openSafetensors(output);
        outputs.push([`theirs ${dtype}`, stored.get('output').keep()]);
        stored.close();
        model.toDtype(dtype);
        outputs.push([`own ${dtype}`, ownOutput(model, inputs)]);
      }
      model.dispose();
      console.log(
        'one block, same weights and inputs; differences relative to the root mean square of the second:',
      );
      for (const [i, [name, output]] of outputs.entries()) {
        for (const [other, reference] of outputs.slice(i + 1)) {
          console.log(`  ${name} and ${other}: ${differenceLine(output, reference)}`);
        }
      }
      for (const [, output] of outputs) output.dispose();
      release(inputs);
      return it;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Times every part once. */
  async turn(): Promise<void> {
    for (const [dtype, seconds] of this.#seconds) {
      for (const part of PARTS) seconds[part].push(await this.#ask(part, dtype));
    }
  }

  /** Seconds per step of a model with `blocks` blocks, in the faster dtype. */
  stepSeconds(blocks: number): number {
    return Math.min(...[...this.#seconds.keys()].map((dtype) => this.#step(dtype, blocks)));
  }

  /** A report with one line per dtype. */
  report(blocks: number): string {
    const lines = [...this.#seconds].map(([dtype, seconds]) => {
      const [forward, block, adapter] = PARTS.map((part) => median(seconds[part]));
      const rest = forward! - block! - adapter!;
      const parts = `block ${block!.toFixed(2)} s, adapter ${adapter!.toFixed(2)} s, rest ${rest.toFixed(2)} s`;
      return `public code, ${dtype}: ${parts}; ${this.#step(dtype, blocks).toFixed(1)} s per step`;
    });
    return lines.join('\n');
  }

  end(): void {
    this.peer.end();
  }

  #step(dtype: PeerDType, blocks: number): number {
    const { forward, block } = this.#seconds.get(dtype)!;
    return median(forward) + (blocks - 1) * median(block);
  }

  async #ask(part: Part, dtype: PeerDType, output = ''): Promise<number> {
    return JSON.parse(await this.peer.ask(JSON.stringify({ part, dtype, output }))).seconds;
  }
}

const ownOutput = (model: Transformer3D, inputs: StepInputs): Tensor =>
  noGrad(() => tidy(() => step(model, inputs, prepare(model, inputs)).to('float32').keep()));
