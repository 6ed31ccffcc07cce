/** One process of the NCCL part: `nccl-rank.ts RANK SIZE PORT DEVICE`; the first prints what it measured. */
import { joinWorld } from '../../src/distributed/join.js';
import { noGrad, ones } from '../../src/tensor/index.js';
import { settle } from './context.js';

const [rank, size, port] = process.argv.slice(2, 5).map(Number) as [number, number, number];
const device = process.argv[5]!;
const [elements, rounds] = [2 ** 26, 5];

const world = {
  launcher: 'torchrun' as const,
  rank,
  worldSize: size,
  localRank: rank,
  localWorldSize: size,
  masterAddr: '127.0.0.1',
  masterPort: port,
  agentStore: false,
  attempt: 0,
};
const kind = device.startsWith('cuda') ? 'cuda' : 'cpu';
const group = await joinWorld(world, { timeoutSeconds: 40, device: kind });
const values = noGrad(() => ones([device === 'cpu' ? 2 ** 16 : elements], { device }));
group.allReduceSync([values]);
const sum = values.narrow(0, 0, 1).item();
settle(device);
const startMs = performance.now();
for (let i = 0; i < rounds; i++) group.allReduceSync([values]);
settle(device);
const seconds = (performance.now() - startMs) / 1000 / rounds;
// what each process sends in a ring
const bytes = (2 * (size - 1) * values.numel * 4) / size;
if (rank === 0) {
  process.stdout.write(`${JSON.stringify({ backend: group.backend, sum, seconds, bytes })}\n`);
}
await group.close();
