/** Weights and other files that are taken for safetensors, told by how they begin. */

const CONVERT = 'convert it to safetensors with the program that made it';
const PICKLE = `a Python pickle, as older .pt, .ckpt and .bin are; ${CONVERT}`;
const PAGE =
  'a web page, as a failed download leaves it; download it again from the link of the file itself';

/** What a file begins with, in Latin-1 and lower case, and the end of the sentence "FILE: is …". */
const KINDS: readonly [string, string][] = [
  ['gguf', `GGUF, the quantized weights of another program; ${CONVERT}`],
  ['pk\u0003\u0004', `a zip file, as PyTorch writes .pt, .pth, .ckpt and .bin; ${CONVERT}`],
  ...[2, 3, 4, 5].map((version): [string, string] => [
    `\u0080${String.fromCharCode(version)}`,
    PICKLE,
  ]),
  ['\u0089hdf', `HDF5, as Keras writes weights; ${CONVERT}`],
  ['\u0093numpy', `a NumPy array; ${CONVERT}`],
  [
    'version https://git-lfs',
    'a pointer of Git LFS, not the file that it stands for; fetch that with `git lfs pull`',
  ],
  ['<!doctype', PAGE],
  ['<html', PAGE],
];

/** The end of the sentence "FILE: is …" for a file of another kind; null where none is known. */
export function otherKind(start: Uint8Array): string | null {
  // a header's length may look like any of them, and only a header follows it
  if (start[8] === 0x7b) return null;
  const text = Buffer.from(start).toString('latin1').trimStart().toLowerCase();
  return KINDS.find(([begin]) => text.startsWith(begin))?.[1] ?? null;
}

/** Endings of files that hold weights in another form. */
export const OTHER_ENDINGS = ['.gguf', '.ckpt', '.pt', '.pth', '.bin', '.pkl', '.h5', '.onnx'];
