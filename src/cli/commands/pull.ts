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
      describe: 'download these files instead of the default choice; * also matches across folders',
    },
    exclude: {
      kind: 'text',
      placeholder: 'GLOB',
      repeat: true,
      describe: 'do not download these files',
    },
    parallel: {
      kind: 'integer',
      min: 1,
      max: 16,
      default: 4,
      describe: 'number of files to download at the same time',
    },
    offline: {
      kind: 'flag',
      describe: 'use no network; show the folder that was downloaded before',
    },
  },
});

export const examples: readonly Example[] = [
  ['the released pipeline with 2B parameters', 'pull LetsThink/MfM-Pipeline-2B'],
  ['the larger one, one file at a time', 'pull LetsThink/MfM-Pipeline-8B --parallel 1'],
  ['a depth model', 'pull depth-anything/Depth-Anything-V2-Small-hf'],
  ['only the configuration files', 'pull LetsThink/MfM-Pipeline-2B --include "*.json"'],
  [
    'the folder of an earlier download, without a network',
    'pull LetsThink/MfM-Pipeline-2B --offline',
  ],
];

export function details(): string {
  return `Prints the folder; \`mfm generate --pipeline ORG/NAME\` finds it by its name. After Ctrl-C or a lost
connection, run the same command again to continue. Once everything is there, it only checks for changes.
Every file is checked against its checksum.

Default choice: everything except pictures, clips, and, if there are safetensors, weights in other
formats (.bin, .msgpack, .h5, .onnx, …) and precisions (.fp16.). --include "*" downloads everything.

Environment variables, the same as for the Python package huggingface_hub, with which the cache is shared:
  HF_HUB_CACHE     the cache (default: HF_HOME/hub; HF_HOME: XDG_CACHE_HOME/huggingface)
  HF_TOKEN         for gated and private repositories (default: the file HF_HOME/token)
  HF_ENDPOINT      a mirror (default: https://huggingface.co)
  HF_HUB_OFFLINE   1 has the effect of --offline`;
}

export async function run(options: Options<typeof args>): Promise<number | undefined> {
  const { hubSettings, parseRepo, pull } = await import('../../hub/index.js');
  const { repo, revision } = parseRepo(nameOf(options));
  const settings = hubSettings();
  const say = (text: string) => process.stderr.write(`${text}\n`);

  return withInterrupt('stopping; what has been downloaded so far is kept', async (signal) => {
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
        onWait: (pid) => say(`${repo}: waiting for process ${pid}, which is downloading it`),
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
      say(`${repo}: stopped; run the same command again to continue`);
      return INTERRUPTED;
    } finally {
      progress?.end();
    }
  });
}

function count({ length }: readonly unknown[]): string {
  return length === 1 ? '1 file' : `${length} files`;
}

/** REPO or REPO@REVISION, whichever way the revision was given. */
function nameOf({ repo, revision }: Options<typeof args>): string {
  if (revision === undefined) return repo;
  if (repo.includes('@')) {
    throw new InputError(`${repo}: already names a revision; leave out --revision`);
  }
  return `${repo}@${revision}`;
}
