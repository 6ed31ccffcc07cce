/** Recognises other kinds of files given in place of safetensors by their first bytes. */

const CONVERT = 'convert it to safetensors with the program that made it';
const PICKLE = `a Python pickle, like older .pt, .ckpt and .bin files; ${CONVERT}`;
const PAGE =
  'a web page, as a failed download leaves it; download it again from the link of the file itself';

/** A file's first bytes, in lower-case Latin-1, and how the sentence "FILE: is …" ends. */
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

/** How the sentence "FILE: is …" ends for a file of another kind; null if it is none of them. */
export function otherKind(start: Uint8Array): string | null {
  // the header length of a safetensors file may look like any of these, but only there "{" follows
  if (start[8] === 0x7b) return null;
  const text = Buffer.from(start).toString('latin1').trimStart().toLowerCase();
  return KINDS.find(([begin]) => text.startsWith(begin))?.[1] ?? null;
}

/** Extensions of files that hold weights in another format. */
export const OTHER_ENDINGS = ['.gguf', '.ckpt', '.pt', '.pth', '.bin', '.pkl', '.h5', '.onnx'];
