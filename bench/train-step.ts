/**
 * Training speed of the small model, compared with a plain PyTorch version of it
 * (bench/peers/train_step.py): same batch size, bf16 with float32 master weights, alternating.
 * `PYTHON` names an interpreter with PyTorch; default /usr/bin/python3.
 */
import { engineInfo } from '../src/tensor/index.js';
import { machineLine, median, secondsOf, verdict } from './measure.js';
import { BATCH, miniTraining } from './mini.js';
import { Peer } from './peer.js';

const STEPS = 5; // per turn
const ROUNDS = Number(process.argv[2] ?? 7);

const python = process.env.PYTHON ?? '/usr/bin/python3';
const peer = new Peer('train_step.py', python, [BATCH, engineInfo().threads]);
const training = miniTraining();
console.log(machineLine());
console.log(`peer: ${await peer.answer()}`);
/** The peer's seconds per step. */
const peerTurn = async () => Number(await peer.ask(String(STEPS))) / STEPS;
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
peer.end();

const perSecond = (seconds: number[]) => (BATCH / median(seconds)).toFixed(1);
const ratio = median(own.map((seconds, i) => other[i] / seconds));
console.log(`own:   ${perSecond(own)} clips/s`);
console.log(`plain: ${perSecond(other)} clips/s`);
verdict(
  `training step: ${ratio.toFixed(2)} times as fast as plain PyTorch`,
  ratio >= 2,
  'at least 2 times',
);
