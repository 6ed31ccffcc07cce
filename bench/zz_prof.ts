import { readFileSync } from 'node:fs';
import { openPipeline } from '../src/pipeline/index.js';
import { TRANSFORMER_PRESETS } from '../src/models/transformer/config.js';
import { addNoise, velocityLosses, velocityTarget, timestepsOf, logitNormalSigmas } from '../src/diffusion/index.js';
import { AdamW, Ema } from '../src/optim/index.js';
import { rand, randn, tidy, full, setThreads } from '../src/tensor/index.js';
const p = openPipeline('models/mfm-mini');
p.transformer.requiresGrad_(true).train(true); p.textEncoder.requiresGrad_(true).train(true);
function time(name: string, f: () => void, n = 8) {
  for (let i = 0; i < 2; i++) f();
  const t = [] as number[];
  for (let i = 0; i < n; i++) { const s = performance.now(); f(); t.push(performance.now() - s); }
  t.sort((a, b) => a - b);
  console.log(name.padEnd(34), t[Math.floor(n / 2)]!.toFixed(1), 'ms');
}
const prompts = Array.from({ length: 64 }, (_, i) => `a small red cube moves left behind a big blue sphere on a green ground, the camera pans right ${i} #task: text-to-image`);
time('tokenize 64', () => tidy(() => p.tokenizer.encodeBatch(prompts, 40)));
time('text fwd+bwd 64', () => tidy(() => { p.encodePrompts(prompts).states.to('float32').mul(2).sum().backward(); }));
time('text fwd 64 ', () => tidy(() => { p.encodePrompts(prompts); }));
for (const [name, b, f] of [['image', 64, 1], ['clip', 16, 17]] as const) {
  const lf = (f + 3) / 4;
  const run = () => tidy(() => {
    const lat = randn([b, 16, lf, 8, 8]);
    const { states, mask } = p.encodePrompts(prompts.slice(0, b));
    const K = f === 1 ? 1 : 13;
    const cond = p.transformer.prepareCondition(randn([K, 4, f, 64, 64]), rand([K, 1, f, 64, 64]));
    const v = p.transformer.forward(lat, { timesteps: full([b], 500), motionScores: full([b], 1), text: p.transformer.prepareText(states, mask), condition: f === 1 ? cond.expand([b, cond.size(1), cond.size(2)]) : cond.repeat([2, 1, 1]).narrow(0, 0, b), rope: p.transformer.prepareRope(lat) });
    velocityLosses(v, lat).mean().backward();
  });
  time(`${name} all fwd+bwd`, run);
  const K = f === 1 ? 1 : 13;
  const px = randn([K, 4, f, 64, 64]).keep(), m = rand([K, 1, f, 64, 64]).keep();
  time(`${name} adapter fwd`, () => tidy(() => { p.transformer.prepareCondition(px, m); }));
  time(`${name} adapter fwd+bwd`, () => tidy(() => { p.transformer.prepareCondition(px, m).to('float32').sum().backward(); }));
  const lat = randn([b, 16, lf, 8, 8]).keep();
  const st = randn([b, 40, 128]).to('bfloat16').keep();
  const mk = rand([b, 40]).round().keep();
  const cond = randn([b, lf * 16, 256]).to('bfloat16').keep();
  time(`${name} transformer fwd+bwd`, () => tidy(() => {
    const v = p.transformer.forward(lat, { timesteps: full([b], 500), motionScores: full([b], 1), text: p.transformer.prepareText(st, mk), condition: cond, rope: p.transformer.prepareRope(lat) });
    velocityLosses(v, lat).mean().backward();
  }));
}
const params = new Map([...p.transformer.namedParameters()]);
const opt = new AdamW(params, { weightDecay: 0.01 });
const ema = new Ema(opt.masterWeights(), 0.999);
time('adamw', () => { opt.step({ learningRate: 1e-6, clipGradNorm: 1 }); });
time('ema', () => ema.update(opt.masterWeights(), 0.999));
