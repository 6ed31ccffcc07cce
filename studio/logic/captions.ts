/** Pictures and clips of a folder, each with the words on it. */

export interface TrainingFile<F> {
  file: F;
  caption: string;
}

const MEDIA = /\.(png|jpe?g|webp|tiff?|avif|bmp|gif|qoi|tga|ppm|pgm|mp4|mov|m4v|webm|mkv|avi)$/i;
const WORDS = /\.txt$/i;

const withoutEnding = (name: string): string => name.replace(/\.[^./]*$/, '');

/**
 * The files that can be learned from, in the order of their names. The words on one are those of the text
 * file of its name, else its own name, since files are often named after what they show.
 *
 * @param nameOf  name of a file, within the folder that it comes from
 * @param read    what a text file says
 */
export async function captioned<F>(
  files: readonly F[],
  nameOf: (file: F) => string,
  read: (file: F) => Promise<string>,
): Promise<TrainingFile<F>[]> {
  const words = new Map<string, string>();
  for (const file of files) {
    if (WORDS.test(nameOf(file))) words.set(withoutEnding(nameOf(file)), await read(file));
  }
  return files
    .filter((file) => MEDIA.test(nameOf(file)))
    .sort((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true }))
    .map((file) => {
      const name = withoutEnding(nameOf(file));
      return { file, caption: (words.get(name) ?? inWords(name)).trim() };
    });
}

const inWords = (path: string): string =>
  (path.split('/').at(-1) ?? '').replaceAll(/[-_\d.]+/g, ' ');
