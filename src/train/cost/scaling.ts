/** A stage's steps over many processes: network traffic, and the time of a step. */

import { BUCKET_BYTES } from '../../distributed/buckets.js';
import { tokensByBlock, widthOf } from '../../models/transformer/cost.js';
import type { Stage } from '../recipe/config.js';
import {
  batchesOf,
  passesOf,
  type Sharding,
  type StageBatch,
  sampleFlops,
  skippingOf,
  trainedTotal,
} from './cost.js';
import { networksIn, type TrainedNetworks } from './trained-networks.js';

/** The machines of a job, as one process sees them. */
export interface Cluster {
  ranks: number;
  /** number of processes per node, which have faster links to each other */
  ranksPerNode: number;
  /** operations per second, dense bfloat16 */
  peakFlops: number;
  /** share of `peakFlops` that training reaches while it computes */
  efficiency: number;
  memoryBytes: number;
  /** bytes per second that a process can send within its node, and between nodes */
  bandwidthWithin: number;
  bandwidthBetween: number;
  /** seconds of latency per message */
  latencySeconds: number;
  /** size of a bucket: float32 gradients that are reduced over the processes together */
  bucketBytes: number;
}

export type Device = Omit<Cluster, 'ranks' | 'efficiency'>;

/**
 * Source: NVIDIA's data sheets. H100 SXM: 989 TFLOPS, 80 GB, NVLink of 900 GB/s for both directions,
 * eight to a DGX with a 400 Gb/s adapter each; A100 SXM: 312 TFLOPS, 80 GB, 600 GB/s, 200 Gb/s
 */
export const DEVICES = {
  h100: {
    ranksPerNode: 8,
    peakFlops: 989e12,
    memoryBytes: 80e9,
    bucketBytes: BUCKET_BYTES,
    bandwidthWithin: 450e9,
    bandwidthBetween: 50e9,
    latencySeconds: 5e-6,
  },
  a100: {
    ranksPerNode: 8,
    peakFlops: 312e12,
    memoryBytes: 80e9,
    bucketBytes: BUCKET_BYTES,
    bandwidthWithin: 300e9,
    bandwidthBetween: 25e9,
    latencySeconds: 5e-6,
  },
} satisfies Record<string, Device>;

/** Machines without GPUs, with one process each, connected by 10 Gb/s Ethernet. */
export const cpuDevice = (peakFlops: number, memoryBytes: number): Device => ({
  ranksPerNode: 1,
  peakFlops,
  memoryBytes,
  bucketBytes: BUCKET_BYTES,
  bandwidthWithin: 1.25e9,
  bandwidthBetween: 1.25e9,
  latencySeconds: 50e-6,
});

/** Means over the steps of a stage. */
export interface StepCost {
  /** forward and backward passes per process */
  passes: number;
  /** operations over all processes */
  flops: number;
  /** bytes sent per process, by purpose */
  network: Traffic;
  computeSeconds: number;
  /** seconds of network traffic, and the part of them that computation does not hide */
  networkSeconds: number;
  exposedSeconds: number;
  seconds: number;
  /** of the whole batch, over all processes */
  tokens: number;
  samples: number;
}

export interface Traffic {
  gradients: number;
  /** updated weights, from their owners */
  weights: number;
  /** exchanges of heads for tokens among the processes that split a sample */
  sequence: number;
}

export function stepOf(
  recipes: TrainedNetworks,
  stage: Stage,
  sharding: Sharding,
  cluster: Cluster,
): StepCost {
  const networks = networksIn(recipes, stage);
  const batches = batchesOf(stage);
  const plans = batches.map((batch) => stepOfBatch(networks, stage, batch, sharding, cluster));
  const mean = (figure: (plan: StepCost) => number) =>
    plans.reduce((sum, plan, i) => sum + batches[i]!.share * figure(plan), 0);
  return {
    passes: mean((plan) => plan.passes),
    flops: mean((plan) => plan.flops),
    network: {
      gradients: mean(({ network }) => network.gradients),
      weights: mean(({ network }) => network.weights),
      sequence: mean(({ network }) => network.sequence),
    },
    computeSeconds: mean((plan) => plan.computeSeconds),
    networkSeconds: mean((plan) => plan.networkSeconds),
    exposedSeconds: mean((plan) => plan.exposedSeconds),
    seconds: mean((plan) => plan.seconds),
    tokens: mean((plan) => plan.tokens),
    samples: mean((plan) => plan.samples),
  };
}

/** The process with the most samples determines the time: the others wait for it. */
function stepOfBatch(
  networks: TrainedNetworks,
  stage: Stage,
  batch: StageBatch,
  sharding: Sharding,
  cluster: Cluster,
): StepCost {
  const { sequenceParallel: sharers, gradCheckpointing } = stage;
  const groups = Math.max(1, Math.floor(cluster.ranks / sharers));
  const own = Math.ceil(batch.samples / groups);
  const passes = passesOf(batch, groups);
  const { split, whole } = sampleFlops(networks, batch.size, stage);
  const rate = cluster.peakFlops * cluster.efficiency;
  const samplesSeconds = (own * (split / sharers + whole)) / rate;
  // with ddp every process makes the same updates, else each those of its own weights
  const { flops: muonFlops } = networks.muon ?? { flops: 0 };
  const updaters = sharding === 'ddp' ? 1 : cluster.ranks;
  const computeSeconds = samplesSeconds + muonFlops / updaters / rate;

  const backwardShare = gradCheckpointing ? 3 / 4 : 2 / 3;
  const hidden = (samplesSeconds / passes) * backwardShare;
  const updates = updateTraffic(networks, sharding, hidden, cluster);
  const sequence = sequenceTraffic(networks, stage, { own, tokens: batch.tokens, passes }, cluster);

  const exposedSeconds = updates.exposedSeconds + sequence.seconds;
  return {
    passes,
    computeSeconds,
    exposedSeconds,
    flops: batch.samples * (split + whole) + muonFlops * (cluster.ranks / updaters),
    network: { ...updates.bytes, sequence: sequence.bytes },
    networkSeconds: updates.seconds + sequence.seconds,
    seconds: computeSeconds + exposedSeconds,
    tokens: batch.samples * batch.tokens,
    samples: batch.samples,
  };
}

/**
 * Traffic of gradients and weights in a step. In a ring of n processes, each sends (n - 1) / n of
 * the gradients to reduce them to their owners, and as much again to distribute the sums (`ddp`) or
 * the new weights in their own dtype (`zero1`, `zero2`). A bucket is sent as soon as its gradients
 * are ready, so all but the last bucket can overlap with the backward pass, as long as that lasts;
 * new weights overlap with nothing. Only the last pass of a step sends anything.
 *
 * Source: Patarasuk & Yuan 2009 (ring); Li et al. 2020, arXiv 2006.15704 (overlap); Rajbhandari et
 * al. 2020, arXiv 1910.02054 (sharding)
 *
 * @param hidden   seconds of one micro-batch's backward pass, which can hide traffic
 */
function updateTraffic(
  networks: TrainedNetworks,
  sharding: Sharding,
  hidden: number,
  cluster: Cluster,
) {
  const { ranks, ranksPerNode, bucketBytes, latencySeconds } = cluster;
  const trained = trainedTotal(networks.trained);
  const ring = (ranks - 1) / ranks;
  const bandwidth = ranks <= ranksPerNode ? cluster.bandwidthWithin : cluster.bandwidthBetween;
  const turn = (bytes: number) => ({
    bytes: ring * bytes,
    seconds:
      (ring * bytes) / bandwidth + Math.ceil(bytes / bucketBytes) * (ranks - 1) * latencySeconds,
  });
  const sums = turn(4 * trained);
  const buckets = Math.ceil((4 * trained) / bucketBytes);
  const exposed = (seconds: number) => Math.max(seconds - hidden, seconds / buckets);
  if (sharding === 'ddp') {
    const seconds = 2 * sums.seconds;
    const bytes = { gradients: 2 * sums.bytes, weights: 0 };
    return { bytes, seconds, exposedSeconds: exposed(seconds) };
  }
  const weights = turn((networks.dtype === 'float32' ? 4 : 2) * trained);
  return {
    bytes: { gradients: sums.bytes, weights: weights.bytes },
    seconds: sums.seconds + weights.seconds,
    exposedSeconds: exposed(sums.seconds) + weights.seconds,
  };
}

/**
 * Traffic of sequence parallelism in a step. Before the self-attention of every block, queries,
 * keys and values are exchanged from some tokens of all heads to all tokens of some heads, and its
 * result is exchanged back: four exchanges forward, four backward, and with checkpointing four more
 * for the second forward pass. No computation hides them.
 *
 * Source: Jacobs et al. 2023, arXiv 2309.14509 (Ulysses)
 */
function sequenceTraffic(
  { transformer: config, dtype }: TrainedNetworks,
  { sequenceParallel: sharers, gradCheckpointing, tokenRouting }: Stage,
  { own, tokens, passes }: { own: number; tokens: number; passes: number },
  { ranksPerNode, latencySeconds, ...cluster }: Cluster,
): { bytes: number; seconds: number } {
  if (sharers === 1) return { bytes: 0, seconds: 0 };
  const perBlock = gradCheckpointing ? 12 : 8;
  const exchanges = config.num_layers * perBlock;
  const skipping = skippingOf(config, tokens, tokenRouting);
  const exchanged = tokensByBlock(config, { tokens, skipping }).reduce((sum, n) => sum + n, 0);
  const vectors = widthOf(config) * (dtype === 'float32' ? 4 : 2) * ((own * exchanged) / sharers);
  const bytes = perBlock * vectors * ((sharers - 1) / sharers);
  const bandwidth = sharers <= ranksPerNode ? cluster.bandwidthWithin : cluster.bandwidthBetween;
  const messages = passes * exchanges * (sharers - 1);
  return { bytes, seconds: bytes / bandwidth + messages * latencySeconds };
}
