/**
 * Reads the environment variables by which the usual launchers describe a job to its processes:
 * torchrun and Kubernetes' training operator, Open MPI, MPICH and Intel MPI, Slurm. Nothing is
 * started here.
 */
import { InputError } from '../errors.js';

export interface WorldEnvironment {
  launcher: 'torchrun' | 'Kubernetes' | 'Open MPI' | 'MPICH' | 'Slurm';
  /** 0 … worldSize − 1 */
  rank: number;
  worldSize: number;
  /** 0 … localWorldSize − 1, among the processes of this machine; selects the GPU */
  localRank: number;
  localWorldSize: number;
  /** the address at which rank 0 is reached */
  masterAddr: string;
  masterPort: number;
  /** torchrun itself serves the store on masterPort, so rank 0 must not */
  agentStore: boolean;
  /** how often torchrun has restarted the job; its store still has the keys of earlier attempts */
  attempt: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/** PyTorch's default, used if a launcher sets no port. */
const defaultPort = 29500;

/**
 * The job to which this process belongs; null if it runs alone.
 * @throws InputError naming the variable if a launcher's settings are incomplete or contradictory
 */
export function worldEnvironment(env: Env = process.env): WorldEnvironment | null {
  const world =
    has(env, 'RANK') || has(env, 'WORLD_SIZE')
      ? fromTorchrun(env)
      : has(env, 'PET_NNODES')
        ? fromPet(env)
        : has(env, 'OMPI_COMM_WORLD_SIZE') || has(env, 'OMPI_COMM_WORLD_RANK')
          ? fromOpenMpi(env)
          : has(env, 'PMI_SIZE') || has(env, 'PMI_RANK')
            ? fromMpich(env)
            : // SLURM_PROCID is also set in a batch script; only srun starts one process per task
              has(env, 'SLURM_PROCID') && (has(env, 'SLURM_STEP_ID') || has(env, 'SLURM_STEPID'))
              ? fromSlurm(env)
              : null;
  return world && world.worldSize > 1 ? world : null;
}

// Source: torchrun's documentation, "Environment Variables"; the training operator sets the first
// four per pod and no LOCAL_…
function fromTorchrun(env: Env): WorldEnvironment {
  const worldSize = count(env, 'WORLD_SIZE', 'RANK');
  const rank = index(env, 'RANK', worldSize, 'WORLD_SIZE');
  const local = has(env, 'LOCAL_RANK') || has(env, 'LOCAL_WORLD_SIZE');
  const localWorldSize = local ? count(env, 'LOCAL_WORLD_SIZE', 'LOCAL_RANK', worldSize) : 1;
  return {
    launcher: local ? 'torchrun' : 'Kubernetes',
    rank,
    worldSize,
    localRank: local ? index(env, 'LOCAL_RANK', localWorldSize, 'LOCAL_WORLD_SIZE') : 0,
    localWorldSize,
    ...(worldSize > 1 ? master(env, { because: 'WORLD_SIZE' }) : alone),
    agentStore: env.TORCHELASTIC_USE_AGENT_STORE === 'True',
    attempt: has(env, 'TORCHELASTIC_RESTART_COUNT')
      ? integer(env, 'TORCHELASTIC_RESTART_COUNT', 0)
      : 0,
  };
}

// torchrun's options as variables: a pod configured for torchrun that runs this program directly
function fromPet(env: Env): WorldEnvironment {
  const perNode = env.PET_NPROC_PER_NODE ?? '1';
  if (!['1', 'auto', 'cpu', 'gpu'].includes(perNode)) {
    throw new InputError(
      `PET_NPROC_PER_NODE: must be 1 if torchrun does not start the processes, got ${perNode}; use one pod per process`,
    );
  }
  const worldSize = count(env, 'PET_NNODES', 'PET_NODE_RANK');
  return {
    launcher: 'Kubernetes',
    rank: worldSize > 1 ? index(env, 'PET_NODE_RANK', worldSize, 'PET_NNODES') : 0,
    worldSize,
    localRank: 0,
    localWorldSize: 1,
    ...(worldSize > 1 ? master(env, { because: 'PET_NNODES', prefix: 'PET_' }) : alone),
    ...ownStore,
  };
}

// Source: Open MPI's documentation, "Environment variables set for the application"
function fromOpenMpi(env: Env): WorldEnvironment {
  const names = ['OMPI_COMM_WORLD_RANK', 'OMPI_COMM_WORLD_SIZE'] as const;
  return fromMpi(
    env,
    'Open MPI',
    names,
    'OMPI_COMM_WORLD_LOCAL_RANK',
    'OMPI_COMM_WORLD_LOCAL_SIZE',
  );
}

// Source: MPICH's Hydra and Intel MPI; PMI_… is set by the process manager, MPI_LOCAL… by both
function fromMpich(env: Env): WorldEnvironment {
  return fromMpi(env, 'MPICH', ['PMI_RANK', 'PMI_SIZE'], 'MPI_LOCALRANKID', 'MPI_LOCALNRANKS');
}

function fromMpi(
  env: Env,
  launcher: WorldEnvironment['launcher'],
  [rankName, sizeName]: readonly [string, string],
  localRankName: string,
  localSizeName: string,
): WorldEnvironment {
  const worldSize = count(env, sizeName, rankName);
  const rank = index(env, rankName, worldSize, sizeName);
  const localWorldSize = has(env, localSizeName) ? count(env, localSizeName, '', worldSize) : null;
  const localRank = has(env, localRankName)
    ? index(env, localRankName, localWorldSize ?? worldSize, localSizeName)
    : null;
  const oneMachine = localWorldSize === worldSize;
  return {
    launcher,
    rank,
    worldSize,
    localRank: localRank ?? 0,
    localWorldSize: localWorldSize ?? 1,
    ...(worldSize > 1
      ? master(env, { because: sizeName, fallback: oneMachine ? '127.0.0.1' : undefined })
      : alone),
    ...ownStore,
  };
}

// Source: srun(1), "OUTPUT ENVIRONMENT VARIABLES"
function fromSlurm(env: Env): WorldEnvironment {
  const sizeName = has(env, 'SLURM_STEP_NUM_TASKS') ? 'SLURM_STEP_NUM_TASKS' : 'SLURM_NTASKS';
  const worldSize = count(env, sizeName, 'SLURM_PROCID');
  const rank = index(env, 'SLURM_PROCID', worldSize, sizeName);
  const localWorldSize = tasksHere(env) ?? 1;
  const nodes = env.SLURM_STEP_NODELIST || env.SLURM_JOB_NODELIST || env.SLURM_NODELIST;
  const jobId = has(env, 'SLURM_JOB_ID') ? integer(env, 'SLURM_JOB_ID', 0) : null;
  return {
    launcher: 'Slurm',
    rank,
    worldSize,
    localRank: has(env, 'SLURM_LOCALID') ? integer(env, 'SLURM_LOCALID', 0) : 0,
    localWorldSize,
    ...(worldSize > 1
      ? master(env, {
          because: sizeName,
          fallback: nodes ? firstHost(nodes) : undefined,
          // jobs on one machine must not share a port; this range is below that of outgoing
          // connections
          port: jobId === null ? defaultPort : 12000 + (jobId % 20000),
        })
      : alone),
    ...ownStore,
  };
}

/** `node[003-007,9],b1` → `node003`. Source: Slurm's hostlist expressions, scontrol(1) */
export function firstHost(nodes: string): string {
  const first = nodes.match(/^(?:[^,[\]]|\[[^\]]*\])*/)?.[0] ?? '';
  return first.replace(/\[([^\],-]*)[^\]]*\]/g, '$1');
}

/** The number of tasks on this node: entry SLURM_NODEID of a list such as `2(x3),1`. */
function tasksHere(env: Env): number | null {
  const text = env.SLURM_STEP_TASKS_PER_NODE ?? env.SLURM_TASKS_PER_NODE;
  if (!text || !has(env, 'SLURM_NODEID')) return null;
  const tasks = text.split(',').flatMap((part) => {
    const [, number, repeat] = part.match(/^(\d+)(?:\(x(\d+)\))?$/) ?? [];
    return number ? Array<number>(Number(repeat ?? 1)).fill(Number(number)) : [];
  });
  return tasks[integer(env, 'SLURM_NODEID', 0)] ?? null;
}

const alone = { masterAddr: '127.0.0.1', masterPort: defaultPort };
const ownStore = { agentStore: false, attempt: 0 };

function master(
  env: Env,
  {
    because,
    prefix = '',
    fallback,
    port = defaultPort,
  }: { because: string; prefix?: string; fallback?: string; port?: number },
): { masterAddr: string; masterPort: number } {
  const name = `${prefix}MASTER_ADDR`;
  const masterAddr = has(env, name) ? env[name] : fallback;
  if (!masterAddr) {
    throw new InputError(
      `${name}: is not set although ${because} is ${env[because]}; set it to the machine of rank 0, the same for all processes (mpirun -x MASTER_ADDR=host)`,
    );
  }
  const portName = `${prefix}MASTER_PORT`;
  const masterPort = has(env, portName) ? integer(env, portName, 1, 65535) : port;
  return { masterAddr, masterPort };
}

function has(env: Env, name: string): boolean {
  return env[name] !== undefined && env[name] !== '';
}

function count(env: Env, name: string, other: string, most?: number): number {
  if (!has(env, name)) {
    throw new InputError(`${name}: is not set although ${other} is; a launcher sets both`);
  }
  return integer(env, name, 1, most);
}

function index(env: Env, name: string, size: number, sizeName: string): number {
  if (!has(env, name)) {
    throw new InputError(`${name}: is not set although ${sizeName} is; a launcher sets both`);
  }
  const value = integer(env, name, 0);
  if (value < size) return value;
  throw new InputError(
    `${name}: must be 0 … ${size - 1} since ${sizeName} is ${env[sizeName] ?? size}, got ${value}`,
  );
}

function integer(env: Env, name: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
  const value = Number(env[name]);
  if (/^\d+$/.test(env[name] ?? '') && value >= least && value <= most) return value;
  const range = most === Number.MAX_SAFE_INTEGER ? `at least ${least}` : `${least} … ${most}`;
  throw new InputError(`${name}: must be a whole number, ${range}, got "${env[name]}"`);
}
