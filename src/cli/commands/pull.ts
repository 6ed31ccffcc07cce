/** `mfm pull`: downloads a pipeline folder from a model hub. */
import { InputError } from '../../errors.js';
import { defineArgs, type Options } from '../terminal/args.js';
import type { Example } from '../terminal/help.js';
import { INTERRUPTED, withInterrupt } from '../terminal/interrupt.js';
import { formatBytes, Progress } from '../terminal/progress.js';

export const summary = 'download a pipeline from a model hub';

export const args = defineArgs({
  positional: {
    repo: { kind: 'text', describe: 'ORG/NAME, e.g. LetsThink/MfM-Pipeline-2B' },
  },
  options: {
    revision: {
      kind: 'text',
      describe: 'branch, tag or commit; also written ORG/NAME@REVISION (default: main)',
    },
    include: {
      kind: 'text',
      placeholder: 'GLOB',
      repeat: true,
      describe: 'take these files instead of the default choice; * also spans folders',
    },
    exclude: { kind: 'text', placeholder: 'GLOB', repeat: true, describe: 'leave these files out' },
    parallel: {
      kind: 'integer',
      min: 1,
      max: 16,
      default: 4,
      describe: 'files downloaded at a time',
    },
    offline: {
      kind: 'flag',
      describe: 'ask no server: show the folder that was downloaded before',
    },
  },
});

export const examples: readonly Example[] = [
  ['the released pipeline of 2B parameters', 'pull LetsThink/MfM-Pipeline-2B'],
  ['the larger one, one file at a time', 'pull LetsThink/MfM-Pipeline-8B --parallel 1'],
  ['a depth model', 'pull depth-anything/Depth-Anything-V2-Small-hf'],
  ['only configurations', 'pull LetsThink/MfM-Pipeline-2B --include "*.json"'],
  ['where it is, without a network', 'pull LetsThink/MfM-Pipeline-2B --offline'],
];

export function details(): string {
  return `The folder is printed; \`mfm generate --pipeline ORG/NAME\` finds it by the name. The same command
once more goes on after Ctrl-C or a cut connection, and asks only what changed when all is there.
Each file is compared with its checksum.

Default choice: everything but pictures and clips, weights in other forms (.bin, .msgpack, .h5,
.onnx, …) and precisions (.fp16.) beside safetensors. --include "*" takes all.

Variables, as the Python package huggingface_hub reads them, whose cache it is:
  HF_HUB_CACHE     the cache (default: HF_HOME/hub; HF_HOME: XDG_CACHE_HOME/huggingface)
  HF_TOKEN         for gated and private repositories (default: the file HF_HOME/token)
  HF_ENDPOINT      a mirror (default: https://huggingface.co)
  HF_HUB_OFFLINE   1 is --offline`;
}

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { hubSettings, parseRepo, pull } = await import('../../hub/index.js');
  const { repo, revision } = parseRepo(nameOf(options));
  const settings = hubSettings();
  const say = (text: string) => process.stderr.write(`${text}\n`);

  return withInterrupt('stopping; what came so far is kept', async (signal) => {
    let progress: Progress | undefined;
    let missingBytes = 0;
    try {
      const { folder, commit } = await pull({
        repo,
        revision,
        signal,
        settings: { ...settings, offline: settings.offline || options.offline === true },
        include: options.include,
        exclude: options.exclude,
        parallel: options.parallel,
        onWait: (pid) => say(`${repo}: waits for process ${pid}, which downloads it`),
        onPlan: ({ commit, files, left, totalBytes, presentBytes }) => {
          missingBytes = totalBytes - presentBytes;
          const parts = [
            `${count(files)}, ${formatBytes(totalBytes)}`,
            presentBytes > 0 ? `${formatBytes(presentBytes)} of it here` : '',
            left.length > 0 ? `${count(left)} left out` : '',
          ].filter((part) => part !== '');
          say(`${repo} at ${commit.slice(0, 12)}: ${parts.join(', ')}`);
          progress = new Progress({ label: 'downloading', unit: 'bytes', total: totalBytes });
        },
        onBytes: (done) => progress?.update(done),
      });
      const got = missingBytes > 0 ? `downloaded ${formatBytes(missingBytes)}` : 'nothing to do';
      progress?.end(`${repo} at ${commit.slice(0, 12)}: ${got}`);
      process.stdout.write(`${folder}\n`);
      return undefined;
    } catch (error) {
      if (!signal.aborted) throw error;
      progress?.end();
      say(`${repo}: stopped; the same command goes on where it was`);
      return INTERRUPTED;
    } finally {
      progress?.end();
    }
  });
}

function count({ length }: readonly unknown[]): string {
  return length === 1 ? '1 file' : `${length} files`;
}

/** REPO, or REPO@REVISION from either way to say it. */
function nameOf({ repo, revision }: Options<typeof args>): string {
  if (revision === undefined) return repo;
  if (repo.includes('@')) {
    throw new InputError(`${repo}: names a revision already; leave --revision out`);
  }
  return `${repo}@${revision}`;
}
