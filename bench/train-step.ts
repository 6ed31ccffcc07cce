/**
 * Training steps per second of the small model, against the plain formulation of the same model in
 * Python (bench/peers/train_step.py): same batch size, bf16 with float32 masters, turn by turn.
 * `PYTHON` names the interpreter that has PyTorch; default /usr/bin/python3.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { engineInfo } from '../src/tensor/index.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { BATCH, miniTraining } from './mini.js';

const STEPS = 5; // per turn
const ROUNDS = Number(process.argv[2] ?? 7);

const script = fileURLToPath(new URL('peers/train_step.py', import.meta.url));
const peer = spawn(
  process.env.PYTHON ?? '/usr/bin/python3',
  [script, String(BATCH), String(engineInfo().threads)],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
const answer = async () => {
  const { value, done } = await lines.next();
  if (done) throw new Error('train-step: the Python side ended; does its interpreter have torch?');
  return value as string;
};

const training = miniTraining();
console.log(machineLine());
console.log(`peer: ${await answer()}`);
/** Seconds per step of the peer. */
const peerTurn = async () => {
  peer.stdin.write(`${STEPS}\n`);
  return Number(await answer()) / STEPS;
};
const ownTurn = () =>
  secondsOf(() => {
    for (let i = 0; i < STEPS; i++) training.step();
  }) / STEPS;

ownTurn();
await peerTurn();
const [own, other]: number[][] = [[], []];
for (let round = 0; round < ROUNDS; round++) {
  own.push(ownTurn());
  await new Promise(setImmediate);
  other.push(await peerTurn());
}
peer.stdin.end();

const perSecond = (seconds: number[]) => (BATCH / median(seconds)).toFixed(1);
const ratio = median(own.map((seconds, i) => other[i] / seconds));
console.log(`own:   ${perSecond(own)} clips/s`);
console.log(`plain: ${perSecond(other)} clips/s`);
verdict(`training step: ${ratio.toFixed(2)} times the plain one`, ratio >= 2, 'at least 2 times');
