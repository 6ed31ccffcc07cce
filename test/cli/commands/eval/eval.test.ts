import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { run } from '../../../../src/cli/commands/eval/eval.js';
import { args } from '../../../../src/cli/commands/eval/options.js';
import { parseArgs } from '../../../../src/cli/terminal/args.js';
import { miniWorld } from '../../../../src/data/miniworld/index.js';
import type { TaskReport } from '../../../../src/eval/evaluate.js';
import { MIXTURES } from '../../../../src/eval/mixtures.js';
import type { Report } from '../../../../src/eval/report-format.js';
import { fromRoot } from '../../../../src/files/package-root.js';
import { type Frames, readImage, sliceFrames, writeImage } from '../../../../src/media/index.js';
import { TASK_IDS } from '../../../../src/tasks/index.js';
import { saveTinyPipeline } from '../../../eval/tiny-pipeline.js';
import { program } from '../../program.js';
import { quietly } from '../../quietly.js';

describe('mfm eval', () => {
  let folder: string;
  let pipeline: string;
  const mfm = (words: string[]) =>
    quietly(async () => run(parseArgs('mfm eval', args, [pipeline, ...words])));
  const read = (...path: string[]): Report =>
    JSON.parse(readFileSync(join(folder, ...path), 'utf8'));
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mfm-eval-'));
    // no network that this machine happens to have
    process.env.HF_HUB_CACHE = join(folder, 'hub');
    pipeline = join(folder, 'tiny');
    saveTinyPipeline(pipeline);
    // clips as folders of frames, which lose nothing: one of nine frames, one of three
    for (const [name, numFrames] of [
      ['long', 9],
      ['short', 3],
    ] as const) {
      const size = { width: 40, height: 32, numFrames };
      const clip = { ...size, data: miniWorld(7, size).frames };
      await writeFrames(join(folder, 'clips', name), clip);
    }
    const rows = ['long', 'short'].map((video) => ({ video, prompt: 'a red cube turns' }));
    const lines = rows.map((row) => JSON.stringify(row)).join('\n');
    writeFileSync(join(folder, 'clips', 'manifest.jsonl'), `${lines}\n`);
  });
  after(() => rmSync(folder, { recursive: true }));

  test('measures every task, on the screen, as JSON and as a page with its pictures', async () => {
    const words = ['--scenes', '2', '--batch-size', '2', '-o', join(folder, 'all')];
    const { stdout, message, exitCode } = await mfm(words);
    assert.equal(exitCode, 0, message);
    const report = read('all', 'report.json');
    assert.equal(report.format, 'mfm-eval/1');
    // all tasks, and the mixtures that are measured
    assert.equal(report.tasks.length, TASK_IDS.length + MIXTURES.length);
    assert.deepEqual(Object.keys(report), [
      ...['format', 'settings', 'versions', 'machine', 'notes', 'definitions', 'autoencoder'],
      ...['tasks', 'published'],
    ]);
    for (const task of report.tasks) {
      assert.deepEqual(Object.keys(task), [
        ...['task', 'summary', 'trials', 'seconds', 'headline', 'seen', 'figures', 'fewerSteps'],
        ...['each', 'pictures'],
      ]);
      assert.deepEqual(Object.keys(task.headline!), [
        ...['figure', 'made', 'error', 'truth', 'baseline', 'input', 'beats'],
      ]);
      assert.deepEqual(Object.keys(task.headline!.baseline!), [
        'name',
        'value',
        'count',
        'made',
        'error',
        'won',
      ]);
      assert.match(stdout, new RegExp(`^${task.task.replace('+', '\\+')} .*(yes|NO)$`, 'm'));
    }
    assert.ok(!JSON.stringify(report.tasks).includes('null,"count"'), 'a figure that is no number');
    // random networks are no match for what is known
    assert.equal(report.tasks.find(({ task }) => task === 'isr')!.headline!.beats, false);
    const page = readFileSync(join(folder, 'all', 'report.html'), 'utf8');
    const files = [...page.matchAll(/src="([^"]+)"/g)].map((match) => match[1]!);
    assert.ok(files.length > 18 * 2 * 2, `${files.length} pictures`);
    for (const file of files) assert.ok(existsSync(join(folder, 'all', file)), file);
    assert.ok(page.includes('prefers-color-scheme: dark'));
    assert.ok(!/undefined|NaN/.test(page));
  });

  test('uses finished tasks again where the settings are the same, and only there', async () => {
    const output = join(folder, 'again');
    const words = ['--tasks', 'isr,iinp', '--scenes', '2', '-o', output];
    const times = () =>
      ['isr', 'iinp'].map((id) => statSync(join(output, 'tasks', `${id}.json`)).mtimeMs);
    await mfm(words);
    const first = times();
    rmSync(join(output, 'tasks', 'iinp.json'));
    const before = readFileSync(join(output, 'report.json'), 'utf8');
    await mfm(words);
    const second = times();
    assert.equal(second[0], first[0]);
    assert.notEqual(second[1], first[1]);
    const timeless = (text: string) => text.replaceAll(/"seconds": [\d.e-]+/g, '');
    assert.equal(timeless(readFileSync(join(output, 'report.json'), 'utf8')), timeless(before));
    await mfm([...words, '--seed', '3']);
    assert.notEqual(times()[0], first[0]);
  });

  test('uses no figures of data that has changed', async () => {
    const [data, output] = [join(folder, 'corrected'), join(folder, 'of-corrected')];
    mkdirSync(data);
    const size = { width: 64, height: 64, numFrames: 1 };
    await writeImage(join(data, 'a.png'), { ...size, data: miniWorld(7, size).frames });
    const captioned = (caption: string) =>
      writeFileSync(
        join(data, 'manifest.jsonl'),
        `${JSON.stringify({ image: 'a.png', caption })}\n`,
      );
    const words = ['--manifest', data, '--tasks', 't2i', '-o', output];
    const time = () => statSync(join(output, 'tasks', 't2i.json')).mtimeMs;
    captioned('a red cube lies there');
    const { exitCode, message } = await mfm(words);
    assert.equal(exitCode, 0, message);
    const first = time();
    await mfm(words);
    assert.equal(time(), first);
    captioned('a blue cube lies there');
    await mfm(words);
    assert.notEqual(time(), first);
  });

  test('compares step counts, seeds and features, at a size of the user’s own', async () => {
    const network = fromRoot('test/models/efficientnet/fixtures/tiny.pth');
    const words = ['--scenes', '4', '--tasks', 'i2v,t2i', '--steps', '1,4,2', '--seeds', '2'];
    const more = ['--size', '48x32', '--perceptual', network, '-o', join(folder, 'steps')];
    const { stdout, message } = await mfm([...words, ...more, '--verbose']);
    assert.equal(message, '');
    const { settings, tasks } = read('steps', 'report.json');
    assert.deepEqual(settings.size, { width: 48, height: 32 });
    assert.deepEqual([settings.steps, settings.fewerSteps, settings.repeats], [4, [1, 2], 2]);
    const [i2v, t2i] = tasks as [TaskReport, TaskReport];
    const valuesOf = (task: TaskReport, id: string) =>
      task.figures.find(({ figure }) => figure === id)?.values;
    for (const task of [i2v, t2i]) {
      assert.deepEqual(
        task.fewerSteps.map(({ steps }) => steps),
        [1, 2],
      );
      for (const { figure, lost, alike } of task.fewerSteps) {
        assert.equal(alike.count, 4);
        assert.ok(alike.value < 60 && figure!.error! >= 0);
        assert.ok(Math.abs(task.headline!.made - figure!.value - lost!.value) < 1e-9);
      }
      const [diversity, features] = ['diversity', 'featureDiversity'].map((id) =>
        valuesOf(task, id),
      );
      assert.deepEqual(Object.keys(diversity!), ['made']);
      assert.ok(diversity!.made!.value > 1 && features!.made!.value > 0);
      assert.ok(task.headline!.baseline!.name !== '1 step');
      const sets = valuesOf(task, 'kernelDistance')!;
      assert.ok(sets.made!.error! > 0);
      assert.equal(sets.made!.count, 4);
      assert.ok(!('truth' in sets) && !('another caption' in sets));
      assert.ok(task.pictures[0]!.shown.some(({ label }) => label === '2 steps'));
    }
    // many pictures answer a prompt
    assert.equal(valuesOf(t2i, 'featureDistance'), undefined);
    const distances = valuesOf(i2v, 'featureDistance')!;
    assert.equal(distances.truth!.value, 0);
    assert.deepEqual([t2i.seen, i2v.seen!.name], [null, i2v.headline!.baseline!.name]);
    assert.ok(Math.abs(i2v.seen!.made - distances.made!.value) < 1e-9);
    assert.match(stdout, /feature distance +nearer by +beats/);
    assert.ok(distances.made!.value > 0 && distances['nearest frame']!.value > 0);
    assert.match(stdout, /below 4 steps by +PSNR to those\n *i2v .* 1 /);
    const page = readFileSync(join(folder, 'steps', 'report.html'), 'utf8');
    assert.match(page, /<h2>Fewer steps<\/h2>/);
    assert.ok(!/undefined|NaN/.test(page));
  });

  test('tries own clips on the tasks that they qualify for, and says of which none does', async () => {
    const words = ['--manifest', join(folder, 'clips'), '--tasks', 't2i,i2v,vinp,vexd,vedit'];
    const { stdout, message } = await mfm([...words, '-o', join(folder, 'own')]);
    assert.equal(message, '');
    const { tasks, notes } = read('own', 'report.json');
    const counts = tasks.map(({ task, trials }) => [task, trials]);
    // as in training, pictures are large enough for this pipeline; a clip has five frames at least
    assert.deepEqual(counts, [
      ['t2i', 2],
      ['i2v', 1],
      ['vinp', 1],
    ]);
    // one for each of two tasks, one for the network that is not there
    assert.equal(notes.length, 3);
    assert.match(stdout, /no feature distances: `mfm pull timm\/tf_efficientnet_lite0.in1k`/);
    assert.match(stdout, /vedit: no item qualifies \(.*no picture before an edit.*\)/);
    for (const [output, sentence] of [
      ['clips', /clips: is the data set itself, whose files are read; name another folder$/],
      ['.', /holds files already; name a new folder, or empty it$/],
    ] as const) {
      const refused = await mfm([...words, '-o', join(folder, output)]);
      assert.match(refused.message, sentence);
      assert.equal(refused.exitCode, 2);
    }
  });

  describe('--benchmark mfm', () => {
    const benchmark = (words: string[]) =>
      mfm(['--benchmark', 'mfm', '--clips', join(folder, 'clips'), ...words]);

    test('cuts segments at fixed places and writes what other systems need', async () => {
      const output = join(folder, 'mark');
      const words = ['--tasks', 'vinp,itrans,vcolor', '--segments', '2', '-o', output];
      const { stdout, message } = await benchmark(words);
      assert.equal(message, '');
      const report = read('mark', 'report.json');
      // four frames to spare: a quarter and three quarters of them
      assert.deepEqual(
        report.tasks[0]!.each.map(({ name }) => name),
        ['long-1', 'long-3'],
      );
      assert.ok(report.notes.some((note) => /LPIPS .* not measured/.test(note)));
      assert.ok(report.notes.some((note) => /short has 3 frames, fewer than the 5/.test(note)));
      assert.match(stdout, /MfM \* +21\.3 +0\.830/);
      const conditions = (...path: string[]) =>
        readdirSync(join(output, 'conditions', ...path)).sort();
      assert.deepEqual(conditions('vinp', 'long-1'), ['input', 'mask', 'prompt.txt']);
      assert.equal(conditions('vinp', 'long-1', 'mask').length, 5);
      assert.deepEqual(conditions('itrans', 'long-3', 'input'), ['00000.png', '00004.png']);
      const gray = await readImage(join(output, 'conditions/vcolor/long-1/input/00002.png'));
      for (let i = 0; i < 300; i += 3) assert.equal(gray.data[i], gray.data[i + 2]);
      const again = join(folder, 'mark-again');
      await benchmark(['--tasks', 'vinp', '--segments', '2', '-o', again]);
      const mask = 'conditions/vinp/long-3/mask/00001.png';
      assert.deepEqual(readFileSync(join(again, mask)), readFileSync(join(output, mask)));
    });

    test("measures another system's results, and names what is missing or of another size", async () => {
      const results = join(folder, 'theirs');
      const words = ['--tasks', 'itrans', '--results', results, '-o', join(folder, 'scored')];
      mkdirSync(results);
      const missing = await benchmark(words);
      assert.match(missing.message, /itrans\/long-2: is missing; results are named as/);
      // the true segment: frames 2 to 6, cropped to a square as the pipeline's size
      const target = join(results, 'itrans', 'long-2');
      cpSync(join(folder, 'clips', 'long'), target, { recursive: true });
      const wrong = await benchmark(words);
      assert.match(wrong.message, /must be 5 frames of 32x32 like its true clip, got 9 of 40x32/);
      const frames: Frames[] = [];
      for (let i = 2; i < 7; i++) {
        frames.push(cropped(await readImage(join(target, `${i}.png`))));
      }
      rmSync(target, { recursive: true });
      await writeFrames(target, joined(frames));
      const scored = await benchmark(words);
      assert.equal(scored.message, '');
      const [task] = read('scored', 'report.json').tasks;
      assert.equal(task!.figures.find(({ figure }) => figure === 'psnr')!.values.made!.value, 60);
      assert.equal(read('scored', 'report.json').autoencoder, null);
    });
  });

  test('says in one sentence what is wrong with an option', async () => {
    const clips = ['--clips', join(folder, 'clips')];
    const cases: [string[], RegExp][] = [
      [['--tasks', 't2w'], /^t2w: unknown task; did you mean "t2i"\?$/],
      [['--tasks', ','], /^--tasks: must name a task, e.g. t2v,vsr$/],
      [['--benchmark', 'mfm'], /^--benchmark mfm: needs the clips; name their folder with/],
      [
        ['--benchmark', 'mfm', ...clips, '--tasks', 't2v'],
        /^--tasks: t2v is not in the benchmark;/,
      ],
      [['--benchmark', 'mfm', ...clips, '--manifest', 'x'], /^--manifest: is not for --benchmark;/],
      [['--steps', '4,x'], /^--steps: must be a whole number from 1 to 10000, or several/],
      [['--steps', '0'], /^--steps: must be a whole number from 1 to 10000/],
      [
        ['--benchmark', 'mfm', ...clips, '--results', 'x', '--steps', '1,2'],
        /^--steps: needs a pipeline that makes the results; leave it out, or --results$/,
      ],
      [
        ['--benchmark', 'mfm', ...clips, '--results', 'x', '--seeds', '2'],
        /^--seeds: needs a pipeline/,
      ],
      [['--perceptual', '/nowhere'], /^\/nowhere: no such file or folder; `\.\/mfm pull timm/],
      [['--size', '40x40'], /--size/],
      [['--results', 'x'], /^--results: belongs to --benchmark mfm; add that or leave it out$/],
      [['--manifest', '/nowhere'], /^\/nowhere: no such data set; give/],
    ];
    for (const [words, sentence] of cases) {
      const { message, exitCode } = await mfm([...words, '-o', join(folder, 'bad')]);
      assert.match(message, sentence);
      assert.equal(exitCode, 2);
    }
    assert.ok(!existsSync(join(folder, 'bad')));
  });

  test('keeps what is finished at Ctrl-C', async () => {
    const output = join(folder, 'stopped');
    const words = ['eval', pipeline, '--tasks', 'iinp,vinp', '--scenes', '30', '-o', output];
    const child = spawn(program, [...words, '--steps', '40'], { cwd: folder });
    let stderr = '';
    child.stderr.on('data', (text) => {
      stderr += text;
    });
    const timer = setInterval(() => {
      if (!existsSync(join(output, 'tasks', 'iinp.json'))) return;
      clearInterval(timer);
      child.kill('SIGINT');
    }, 20);
    const code = await new Promise((resolve) => child.on('close', resolve));
    clearInterval(timer);
    assert.equal(code, 130, stderr);
    assert.match(stderr, /run the same command again to continue with the remaining tasks/);
    assert.deepEqual(readdirSync(join(output, 'tasks')), ['iinp.json']);
    assert.ok(!existsSync(join(output, 'report.json')));
  });
});

async function writeFrames(folder: string, clip: Frames): Promise<void> {
  for (let i = 0; i < clip.numFrames; i++) {
    await writeImage(join(folder, `${i}.png`), sliceFrames(clip, i, i + 1));
  }
}

/** The middle 32 of 40 columns. */
function cropped({ height, data }: Frames): Frames {
  const rows = Array.from({ length: height }, (_, y) =>
    data.subarray((y * 40 + 4) * 3, (y * 40 + 36) * 3),
  );
  return {
    width: 32,
    height,
    numFrames: 1,
    data: Uint8Array.from(rows.flatMap((row) => [...row])),
  };
}

const joined = (frames: Frames[]): Frames => ({
  ...frames[0]!,
  numFrames: frames.length,
  data: Uint8Array.from(frames.flatMap(({ data }) => [...data])),
});
