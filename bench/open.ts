/**
 * How long it takes to open a pipeline folder, from the start of the process, and how much of its
 * weights is in memory then, and after the text encoder has run.
 *
 *     node --import tsx bench/random-pipeline.ts mfm-8b FOLDER
 *     node --import tsx bench/open.ts FOLDER
 */
import { defineArgs, parseArgs } from '../src/cli/terminal/args.js';
import { openPipeline } from '../src/pipeline/index.js';
import { readShape, weightBytes } from '../src/pipeline/shape.js';
import { noGrad, tidy } from '../src/tensor/index.js';
import { machineLine, verdict } from './measure.js';

const args = defineArgs({ positional: { folder: { kind: 'text', describe: 'a pipeline' } } });
const { folder } = parseArgs('open', args, process.argv.slice(2));

console.log(machineLine());
const gigabytes = () => process.memoryUsage.rss() / 1e9;
const before = gigabytes();
const pipeline = openPipeline(folder);
const seconds = (Date.now() - performance.timeOrigin) / 1000;
const grown = gigabytes() - before;
verdict(`opened ${seconds.toFixed(2)} s after the start`, seconds < 3, 'under 3 s');
const { parts } = readShape(folder);
const all = Object.values(parts).reduce((sum, part) => sum + weightBytes(part, part.stored!), 0);
verdict(
  `${grown.toFixed(2)} GB of memory in use by then, for ${(all / 1e9).toFixed(1)} GB of weights`,
  grown < 0.05 * (all / 1e9),
  'weights are loaded only when used',
);
noGrad(() => tidy(() => void pipeline.encodePrompts(['a red cube', 'a blue sphere'])));
const text = weightBytes(parts.text_encoder, parts.text_encoder.stored!) / 1e9;
console.log(
  `after the text encoder: ${(gigabytes() - before).toFixed(2)} GB; its weights have ${text.toFixed(2)} GB`,
);
