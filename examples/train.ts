/** Fine-tunes a pipeline on samples that a program makes. docs/training.md explains it. */
import { type Dataset, train } from 'mfm/train';

/** Images of a single colour: the higher the index, the brighter the red. */
const reds: Dataset = {
  length: 40,
  version: '1', // change it when the samples change: measurements of them are cached under it
  at(index) {
    const [width, height] = [64, 64];
    const data = new Uint8Array(width * height * 3); // [F, H, W, 3], sRGB
    for (let i = 0; i < data.length; i += 3) data[i] = 6 * index;
    return { clip: { width, height, numFrames: 1, data }, caption: `a red of brightness ${index}` };
  },
};

const training = train(
  {
    name: 'reds',
    base: 'models/mfm-mini',
    data: [{ dataset: 'reds', weight: 3 }, { miniworld: { images: 100, clips: 0 } }],
    transformer: { steps: 4, tokensPerBatch: 64, tasks: { t2i: 1 } },
  },
  { datasets: { reds }, signal: AbortSignal.timeout(3_600_000) },
);
for await (const event of training) {
  if (event.type === 'metrics' && event.figures.loss) console.log(event.step, event.figures.loss);
  if (event.type === 'note') console.warn(event.text);
}

const { finished, run, pipeline } = await training;
console.log(finished ? pipeline : `${run}: stopped; the same call with resume: true continues`);
