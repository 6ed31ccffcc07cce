/** The cost of an operator call: adding one-element tensors, with results freed by scopes. */
import { noGrad, type Tensor, tensor, tidy } from '../src/tensor/index.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';

const CALLS = 1000;
const ROUNDS = 300;

const x = tensor([1]).keep();
const y = tensor([2]).keep();
let last: Tensor | null = null;
const microseconds: number[] = [];
noGrad(() => {
  for (let round = 0; round < ROUNDS; round++) {
    const seconds = secondsOf(() =>
      tidy(() => {
        for (let i = 0; i < CALLS; i++) last = x.add(y);
      }),
    );
    if (round >= ROUNDS / 10) microseconds.push((seconds / CALLS) * 1e6); // after the JIT's warm-up
  }
});
if (!last) throw new Error('op-call: nothing ran');

console.log(machineLine());
const cost = median(microseconds);
verdict(`one-element add, call and release: ${cost.toFixed(2)} µs`, cost <= 2, 'at most 2 µs');
