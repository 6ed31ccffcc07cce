import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { firstHost, worldEnvironment } from '../../src/distributed/environment.js';

const torchrun = {
  RANK: '5',
  WORLD_SIZE: '8',
  LOCAL_RANK: '1',
  LOCAL_WORLD_SIZE: '4',
  MASTER_ADDR: 'node7',
  MASTER_PORT: '4000',
};
const operator = { RANK: '1', WORLD_SIZE: '3', MASTER_ADDR: 'job-master-0', MASTER_PORT: '23456' };
const openMpi = {
  OMPI_COMM_WORLD_RANK: '3',
  OMPI_COMM_WORLD_SIZE: '4',
  OMPI_COMM_WORLD_LOCAL_RANK: '3',
  OMPI_COMM_WORLD_LOCAL_SIZE: '4',
};
const mpich = { PMI_RANK: '1', PMI_SIZE: '2', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '2' };
const slurm = {
  SLURM_PROCID: '4',
  SLURM_NTASKS: '5',
  SLURM_STEP_ID: '0',
  SLURM_LOCALID: '0',
  SLURM_NODEID: '2',
  SLURM_TASKS_PER_NODE: '2(x2),1',
  SLURM_JOB_ID: '123456',
  SLURM_JOB_NODELIST: 'node[003-005]',
};
const own = { agentStore: false, attempt: 0 };

describe('worldEnvironment', () => {
  const worlds: [string, Record<string, string>, object | null][] = [
    ['nothing', { HOME: '/root' }, null],
    [
      'one process',
      { ...torchrun, RANK: '0', WORLD_SIZE: '1', LOCAL_WORLD_SIZE: '1', LOCAL_RANK: '0' },
      null,
    ],
    [
      'torchrun',
      torchrun,
      {
        launcher: 'torchrun',
        rank: 5,
        worldSize: 8,
        localRank: 1,
        localWorldSize: 4,
        masterAddr: 'node7',
        masterPort: 4000,
        ...own,
      },
    ],
    [
      'torchrun started anew, with its own store',
      { ...torchrun, TORCHELASTIC_USE_AGENT_STORE: 'True', TORCHELASTIC_RESTART_COUNT: '2' },
      {
        launcher: 'torchrun',
        rank: 5,
        worldSize: 8,
        localRank: 1,
        localWorldSize: 4,
        masterAddr: 'node7',
        masterPort: 4000,
        agentStore: true,
        attempt: 2,
      },
    ],
    [
      'the training operator, one process a pod',
      operator,
      {
        launcher: 'Kubernetes',
        rank: 1,
        worldSize: 3,
        localRank: 0,
        localWorldSize: 1,
        masterAddr: 'job-master-0',
        masterPort: 23456,
        ...own,
      },
    ],
    [
      'a pod made for torchrun',
      {
        PET_NNODES: '2',
        PET_NODE_RANK: '1',
        PET_MASTER_ADDR: 'a',
        PET_MASTER_PORT: '7',
        PET_NPROC_PER_NODE: 'auto',
      },
      {
        launcher: 'Kubernetes',
        rank: 1,
        worldSize: 2,
        localRank: 0,
        localWorldSize: 1,
        masterAddr: 'a',
        masterPort: 7,
        ...own,
      },
    ],
    [
      'Open MPI on one machine',
      openMpi,
      {
        launcher: 'Open MPI',
        rank: 3,
        worldSize: 4,
        localRank: 3,
        localWorldSize: 4,
        masterAddr: '127.0.0.1',
        masterPort: 29500,
        ...own,
      },
    ],
    [
      'Open MPI on two machines',
      {
        ...openMpi,
        OMPI_COMM_WORLD_LOCAL_RANK: '1',
        OMPI_COMM_WORLD_LOCAL_SIZE: '2',
        MASTER_ADDR: 'a',
        MASTER_PORT: '9',
      },
      {
        launcher: 'Open MPI',
        rank: 3,
        worldSize: 4,
        localRank: 1,
        localWorldSize: 2,
        masterAddr: 'a',
        masterPort: 9,
        ...own,
      },
    ],
    [
      'MPICH or Intel MPI',
      mpich,
      {
        launcher: 'MPICH',
        rank: 1,
        worldSize: 2,
        localRank: 1,
        localWorldSize: 2,
        masterAddr: '127.0.0.1',
        masterPort: 29500,
        ...own,
      },
    ],
    [
      'srun',
      slurm,
      {
        launcher: 'Slurm',
        rank: 4,
        worldSize: 5,
        localRank: 0,
        localWorldSize: 1,
        // 12000 + 123456 mod 20000
        masterAddr: 'node003',
        masterPort: 15456,
        ...own,
      },
    ],
    [
      'a step of a Slurm job that is smaller than the job',
      {
        ...slurm,
        SLURM_PROCID: '1',
        SLURM_STEP_NUM_TASKS: '2',
        SLURM_STEP_NODELIST: 'b9,b10',
        SLURM_NODEID: '0',
        SLURM_LOCALID: '1',
      },
      {
        launcher: 'Slurm',
        rank: 1,
        worldSize: 2,
        localRank: 1,
        localWorldSize: 2,
        masterAddr: 'b9',
        masterPort: 15456,
        ...own,
      },
    ],
    ['a Slurm batch script itself', { ...slurm, SLURM_STEP_ID: '' }, null],
    [
      'torchrun under Slurm',
      { ...slurm, ...torchrun },
      {
        launcher: 'torchrun',
        rank: 5,
        worldSize: 8,
        localRank: 1,
        localWorldSize: 4,
        masterAddr: 'node7',
        masterPort: 4000,
        ...own,
      },
    ],
  ];
  for (const [name, env, expected] of worlds) {
    test(`reads ${name}`, () => assert.deepEqual(worldEnvironment(env), expected));
  }

  const without = (env: Record<string, string>, name: string) => ({ ...env, [name]: '' });
  const refused: [string, Record<string, string>, RegExp][] = [
    ['a rank alone', { RANK: '1' }, /^WORLD_SIZE: is not set although RANK is/],
    ['no rank', without(torchrun, 'RANK'), /^RANK: is not set although WORLD_SIZE is/],
    [
      'a rank that is too large',
      { ...torchrun, RANK: '8' },
      /^RANK: must be 0 … 7 since WORLD_SIZE is 8, got 8/,
    ],
    [
      'a word',
      { ...torchrun, WORLD_SIZE: 'two' },
      /^WORLD_SIZE: must be a whole number, at least 1, got "two"/,
    ],
    [
      'half of LOCAL_…',
      without(torchrun, 'LOCAL_RANK'),
      /^LOCAL_RANK: is not set although LOCAL_WORLD_SIZE is/,
    ],
    [
      'more here than anywhere',
      { ...torchrun, LOCAL_WORLD_SIZE: '9' },
      /^LOCAL_WORLD_SIZE: .* 1 … 8, got "9"/,
    ],
    [
      'no address',
      without(torchrun, 'MASTER_ADDR'),
      /^MASTER_ADDR: is not set although WORLD_SIZE is 8/,
    ],
    [
      'no such port',
      { ...torchrun, MASTER_PORT: '70000' },
      /^MASTER_PORT: .* 1 … 65535, got "70000"/,
    ],
    [
      'several processes of one pod',
      { PET_NNODES: '2', PET_NPROC_PER_NODE: '4' },
      /^PET_NPROC_PER_NODE: must be 1/,
    ],
    [
      'an elastic number of pods',
      { PET_NNODES: '1:4', PET_NODE_RANK: '0' },
      /^PET_NNODES: must be a whole number/,
    ],
    [
      'MPI on two machines',
      { ...openMpi, OMPI_COMM_WORLD_LOCAL_SIZE: '2', OMPI_COMM_WORLD_LOCAL_RANK: '0' },
      /^MASTER_ADDR: .*mpirun -x/,
    ],
    [
      'MPI without a rank',
      without(mpich, 'PMI_RANK'),
      /^PMI_RANK: is not set although PMI_SIZE is/,
    ],
    [
      'Slurm without nodes',
      without(slurm, 'SLURM_JOB_NODELIST'),
      /^MASTER_ADDR: is not set although SLURM_NTASKS is 5/,
    ],
  ];
  for (const [name, env, message] of refused) {
    test(`refuses ${name} and names the variable`, () => {
      assert.throws(() => worldEnvironment(env), { name: 'InputError', message });
    });
  }
});

describe('firstHost', () => {
  const lists = [
    ['node7', 'node7'],
    ['a1,b2', 'a1'],
    ['node[003-007,9]', 'node003'],
    ['node[12,14-15],login1', 'node12'],
    ['rack[1-2]-n[01-03]', 'rack1-n01'],
    ['gpu[4]', 'gpu4'],
  ];
  for (const [list, host] of lists) {
    test(`${list} begins with ${host}`, () => assert.equal(firstHost(list!), host));
  }
});
